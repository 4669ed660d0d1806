/**
 * Cuts received bytes into packets of the first form, `i32 length | …`, or messages of an established connection,
 * `u8 tag | i32 length | payload`. A length counts itself and what follows.
 *
 *   R1  However the stream is cut, the same messages come out in order.
 *   R2  A length below 4 or above the limit throws before anything is buffered for it.
 *   R3  `takeRest` gives back, unread, exactly the bytes that no `next` has returned: a splice may go on from there.
 */
import { ByteWriter } from '@neon/kernel';
import { startupPacketLength } from './startup';
import { ProtocolViolation } from './violation';

export interface WireMessage {
  /** The message's type: an ASCII letter's code. */
  readonly tag: number;
  readonly payload: Uint8Array;
}

const HEADER_SIZE = 5;

export const tagOf = (letter: string): number => letter.charCodeAt(0);

export const encodeMessage = (letter: string, payload: Uint8Array): Uint8Array =>
  new ByteWriter(HEADER_SIZE + payload.length)
    .u8(tagOf(letter))
    .u32(payload.length + 4)
    .bytes(payload)
    .finish();

export class MessageReader {
  private buffered: Buffer = Buffer.alloc(0);

  /** @param sizeMax largest accepted payload, in bytes */
  constructor(private readonly sizeMax: number) {}

  push(chunk: Uint8Array): void {
    this.buffered = this.buffered.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.buffered, chunk]);
  }

  get bufferedBytes(): number {
    return this.buffered.length;
  }

  /** What the next packet or message begins with. */
  get firstByte(): number | undefined {
    return this.buffered[0];
  }

  /** The next whole startup packet, its length word included. @throws ProtocolViolation on a bad length. */
  nextStartupPacket(): Uint8Array | undefined {
    const size = startupPacketLength(this.buffered);
    if (size === undefined || this.buffered.length < size) return undefined;
    const packet = this.buffered.subarray(0, size);
    this.buffered = this.buffered.subarray(size);
    return packet;
  }

  /** The next whole message, or undefined when more bytes are needed. @throws ProtocolViolation on a bad length. */
  next(): WireMessage | undefined {
    if (this.buffered.length < HEADER_SIZE) return undefined;
    const size = this.buffered.readInt32BE(1) - 4;
    if (size < 0 || size > this.sizeMax) throw new ProtocolViolation('invalid message length');
    const end = HEADER_SIZE + size;
    if (this.buffered.length < end) return undefined;
    const message = { tag: this.buffered.readUInt8(0), payload: this.buffered.subarray(HEADER_SIZE, end) };
    this.buffered = this.buffered.subarray(end);
    return message;
  }

  takeRest(): Uint8Array {
    const rest = this.buffered;
    this.buffered = Buffer.alloc(0);
    return rest;
  }
}
