/**
 * Cuts received bytes into packets of the first form, `i32 length | …`, or messages of an established connection,
 * `u8 tag | i32 length | payload`. A length counts itself and what follows.
 *
 *   R1  However the stream is cut, the same messages come out in order.
 *   R2  A length below 4 or above the limit throws before anything is buffered for it.
 *   R3  `takeRest` gives back, unread, exactly the bytes that no `next` has returned: a splice may go on from there.
 *   R4  A chunk may be overwritten after `push`, what was returned is not. Room is made for at most four times what is there.
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

/** How much more than it has the reader makes room for, of a message whose size it knows: few copies, and R4. */
const GROWTH = 4;
/** What a socket gives at once at most: the chunk that completes a long message brings the beginning of the next. */
const CHUNK_SIZE_MAX = 64 * 1024;
const NOTHING = Buffer.alloc(0);

export class MessageReader {
  /** What was received and not returned: bytes `start` to `end`. */
  private room = NOTHING;
  private start = 0;
  private end = 0;

  /** @param sizeMax largest accepted payload, in bytes */
  constructor(private readonly sizeMax: number) {}

  push(chunk: Uint8Array): void {
    if (this.end + chunk.length > this.room.length) this.makeRoom(chunk);
    this.room.set(chunk, this.end);
    this.end += chunk.length;
  }

  /** Elsewhere: what was returned are views of where it was. */
  private makeRoom(chunk: Uint8Array): void {
    const held = this.room.subarray(this.start, this.end);
    const length = held.length + chunk.length;
    const size = messageSizeOf(held.length === 0 ? chunk : held);
    const room = Buffer.allocUnsafe(size <= length ? length : Math.min(size + CHUNK_SIZE_MAX, GROWTH * length));
    room.set(held);
    this.room = room;
    this.start = 0;
    this.end = held.length;
  }

  get bufferedBytes(): number {
    return this.end - this.start;
  }

  /** What the next packet or message begins with. */
  get firstByte(): number | undefined {
    return this.start === this.end ? undefined : this.room[this.start];
  }

  /** The next whole startup packet, its length word included. @throws ProtocolViolation on a bad length. */
  nextStartupPacket(): Uint8Array | undefined {
    const size = startupPacketLength(this.room.subarray(this.start, this.end));
    return size === undefined || this.bufferedBytes < size ? undefined : this.take(size);
  }

  /** The next whole message, or undefined when more bytes are needed. @throws ProtocolViolation on a bad length. */
  next(): WireMessage | undefined {
    if (this.bufferedBytes < HEADER_SIZE) return undefined;
    const size = this.room.readInt32BE(this.start + 1) - 4;
    if (size < 0 || size > this.sizeMax) throw new ProtocolViolation('invalid message length');
    if (this.bufferedBytes < HEADER_SIZE + size) return undefined;
    const message = this.take(HEADER_SIZE + size);
    return { tag: message.readUInt8(0), payload: message.subarray(HEADER_SIZE) };
  }

  takeRest(): Uint8Array {
    return this.take(this.bufferedBytes);
  }

  private take(size: number): Buffer {
    const taken = this.room.subarray(this.start, this.start + size);
    this.start += size;
    // An idle connection keeps nothing.
    if (this.start === this.end) {
      this.room = NOTHING;
      this.start = this.end = 0;
    }
    return taken;
  }
}

/** Of the message that begins here; 0 while its header is not there. */
function messageSizeOf(bytes: Uint8Array): number {
  if (bytes.length < HEADER_SIZE) return 0;
  return 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(1);
}
