/**
 * What goes with an object as S3 metadata. Every server keeps that, while few keep checksums.
 *
 *   M1  `neon-crc32c`: CRC-32C of the content, in eight hex digits.
 *   M2  `neon-put`: a random id of the put. When an answer was lost and the repeated attempt finds an object in its way, this tells whether
 *       it is the one that the first attempt made.
 */
import { createHash, randomUUID } from 'node:crypto';
import { contentChecksum } from '../content-checksum';

const CHECKSUM = 'neon-crc32c';
const PUT_ID = 'neon-put';

export interface PutIdentity {
  readonly putId: string;
  readonly checksum: number;
  readonly metadata: Record<string, string>;
}

export async function identify(bytes: Uint8Array): Promise<PutIdentity> {
  const checksum = await contentChecksum(bytes);
  const putId = randomUUID();
  return { putId, checksum, metadata: { [CHECKSUM]: checksum.toString(16).padStart(8, '0'), [PUT_ID]: putId } };
}

export const putIdOf = (metadata: Record<string, string> | undefined): string | undefined => metadata?.[PUT_ID];

/** Undefined when the object has none. */
export function checksumOf(metadata: Record<string, string> | undefined): number | undefined {
  const text = metadata?.[CHECKSUM];
  return text !== undefined && /^[0-9a-f]{8}$/.test(text) ? parseInt(text, 16) : undefined;
}

/** As `x-amz-checksum-crc32c` has it. */
export function inBase64(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString('base64');
}

export type UploadChecksum = { readonly ChecksumCRC32C: string } | { readonly ContentMD5: string };

/** What the server compares an upload with. */
export async function uploadChecksumOf(bytes: Uint8Array, kind: 'crc32c' | 'md5'): Promise<UploadChecksum> {
  if (kind === 'md5') return { ContentMD5: createHash('md5').update(bytes).digest('base64') };
  return { ChecksumCRC32C: inBase64(await contentChecksum(bytes)) };
}
