/**
 * The first packet of a connection: `i32 length | i32 code | …`, without a tag.
 *
 * It asks for TLS or GSSAPI encryption, cancels a query of another connection, or starts a session with parameters.
 *
 *   S1  `startupPacketLength` decides from the first four bytes, before more is buffered, and allows at most
 *       STARTUP_PACKET_SIZE_MAX bytes, Postgres' own limit.
 *   S2  A protocol other than 3.x is refused as Postgres refuses it (0A000); a newer minor version is not: the caller
 *       answers it with NegotiateProtocolVersion.
 */
import { ByteWriter } from '@neon/kernel';
import { TextReader, writeText } from './text';
import { ProtocolViolation } from './violation';

/** MAX_STARTUP_PACKET_LENGTH: what a client may make a server buffer before it has said who it is. */
export const STARTUP_PACKET_SIZE_MAX = 10_000;
const STARTUP_PACKET_SIZE_MIN = 8;

const PROTOCOL_MAJOR = 3;
const SPECIAL_MAJOR = 1234;
const CANCEL_MINOR = 5678;
const TLS_MINOR = 5679;
const GSS_ENCRYPTION_MINOR = 5680;

/** Names a running query to cancel. */
export interface CancelKey {
  readonly processId: number;
  readonly secret: number;
}

export type StartupParameter = readonly [name: string, value: string];

export type StartupPacket =
  | { readonly kind: 'tlsRequest' }
  | { readonly kind: 'gssEncryptionRequest' }
  | { readonly kind: 'cancelRequest'; readonly key: CancelKey }
  | { readonly kind: 'startup'; readonly minor: number; readonly parameters: readonly StartupParameter[] };

/** Whole size in bytes, or undefined with fewer than four bytes at hand. @throws ProtocolViolation */
export function startupPacketLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 4) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0);
  if (length < STARTUP_PACKET_SIZE_MIN || length > STARTUP_PACKET_SIZE_MAX)
    throw new ProtocolViolation('invalid length of startup packet');
  return length;
}

/** @param packet one whole packet, its length word included. @throws ProtocolViolation */
export function decodeStartupPacket(packet: Uint8Array): StartupPacket {
  if (startupPacketLength(packet) !== packet.length) throw new ProtocolViolation('invalid length of startup packet');
  const view = new DataView(packet.buffer, packet.byteOffset);
  const major = view.getUint16(4);
  const minor = view.getUint16(6);
  if (major === SPECIAL_MAJOR) return decodeSpecial(packet, minor);
  if (major !== PROTOCOL_MAJOR)
    throw new ProtocolViolation(
      `unsupported frontend protocol ${major}.${minor}: server supports ${PROTOCOL_MAJOR}.0`,
      '0A000',
    );
  return { kind: 'startup', minor, parameters: decodeParameters(packet.subarray(STARTUP_PACKET_SIZE_MIN)) };
}

function decodeSpecial(packet: Uint8Array, minor: number): StartupPacket {
  const body = new TextReader(packet.subarray(STARTUP_PACKET_SIZE_MIN));
  if (minor === CANCEL_MINOR) {
    const key = { processId: body.i32(), secret: body.i32() };
    body.end();
    return { kind: 'cancelRequest', key };
  }
  body.end();
  if (minor === TLS_MINOR) return { kind: 'tlsRequest' };
  if (minor === GSS_ENCRYPTION_MINOR) return { kind: 'gssEncryptionRequest' };
  throw new ProtocolViolation(`unsupported request code ${SPECIAL_MAJOR}.${minor}`, '0A000');
}

function decodeParameters(body: Uint8Array): StartupParameter[] {
  const reader = new TextReader(body);
  const parameters: StartupParameter[] = [];
  for (;;) {
    const name = reader.text();
    if (name === '') break;
    parameters.push([name, reader.text()]);
  }
  if (reader.remaining > 0)
    throw new ProtocolViolation('invalid startup packet layout: expected terminator as last byte');
  return parameters;
}

export function encodeStartupPacket(packet: StartupPacket): Uint8Array {
  switch (packet.kind) {
    case 'tlsRequest':
      return frame(SPECIAL_MAJOR, TLS_MINOR, new Uint8Array());
    case 'gssEncryptionRequest':
      return frame(SPECIAL_MAJOR, GSS_ENCRYPTION_MINOR, new Uint8Array());
    case 'cancelRequest':
      return frame(SPECIAL_MAJOR, CANCEL_MINOR, encodeCancelKey(packet.key));
    case 'startup':
      return frame(PROTOCOL_MAJOR, packet.minor, encodeParameters(packet.parameters));
  }
}

function encodeParameters(parameters: readonly StartupParameter[]): Uint8Array {
  const body = new ByteWriter();
  for (const [name, value] of parameters) {
    if (name === '') throw new ProtocolViolation('a startup parameter has no name');
    writeText(writeText(body, name), value);
  }
  return body.u8(0).finish();
}

export const encodeCancelKey = ({ processId, secret }: CancelKey): Uint8Array =>
  new ByteWriter(8)
    .u32(processId >>> 0)
    .u32(secret >>> 0)
    .finish();

const frame = (major: number, minor: number, body: Uint8Array): Uint8Array =>
  new ByteWriter(STARTUP_PACKET_SIZE_MIN + body.length)
    .u32(STARTUP_PACKET_SIZE_MIN + body.length)
    .u16(major)
    .u16(minor)
    .bytes(body)
    .finish();
