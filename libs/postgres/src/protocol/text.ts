/**
 * Zero-terminated strings, the only text of the protocol.
 *
 *   T1  A string that is not UTF-8, or not terminated, is a `ProtocolViolation`; nothing is replaced silently.
 *   T2  What is written holds no zero byte: a string with one is refused, it would end early.
 */
import { ByteWriter } from '@neon/kernel';
import { ProtocolViolation } from './violation';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export class TextReader {
  private position = 0;

  constructor(private readonly source: Uint8Array) {}

  get remaining(): number {
    return this.source.length - this.position;
  }

  /** The next string, without its terminator. */
  text(): string {
    const end = this.source.indexOf(0, this.position);
    if (end < 0) throw new ProtocolViolation('string is not terminated');
    const bytes = this.source.subarray(this.position, end);
    this.position = end + 1;
    return decodeUtf8(bytes);
  }

  bytes(byteCount: number): Uint8Array {
    if (byteCount < 0 || byteCount > this.remaining) throw new ProtocolViolation('message is too short');
    const bytes = this.source.subarray(this.position, this.position + byteCount);
    this.position += byteCount;
    return bytes;
  }

  i32(): number {
    const bytes = this.bytes(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0);
  }

  rest = (): Uint8Array => this.bytes(this.remaining);

  end(): void {
    if (this.remaining > 0) throw new ProtocolViolation(`${this.remaining} bytes after the end of the message`);
  }
}

export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ProtocolViolation('text is not UTF-8');
  }
}

export const encodeUtf8 = (value: string): Uint8Array => encoder.encode(value);

export function writeText(writer: ByteWriter, value: string): ByteWriter {
  if (value.includes('\0')) throw new ProtocolViolation('text holds a zero byte');
  return writer.bytes(encoder.encode(value)).u8(0);
}
