/**
 * Frames on our own TCP protocols: `u32 length | u8 tag | payload`, where length counts tag and payload.
 *
 *   F1  However the stream is cut, `push` yields the same frames in order.
 *   F2  A length of 0 or above the limit throws before anything is buffered for it, and after the frames before it.
 *   F3  Whatever a length promises, and however small the pieces, memory is at most four times what was received of a frame.
 */
import { ByteReadError, ByteWriter } from './bytes';

export interface Frame {
  readonly tag: number;
  readonly payload: Uint8Array;
}

export const FRAME_HEADER_SIZE = 5;

export function encodeFrame(tag: number, payload: Uint8Array): Uint8Array {
  return new ByteWriter(FRAME_HEADER_SIZE + payload.length)
    .u32(payload.length + 1)
    .u8(tag)
    .bytes(payload)
    .finish();
}

const readSize = (bytes: Uint8Array): number =>
  (((bytes[0] as number) << 24) | ((bytes[1] as number) << 16) | ((bytes[2] as number) << 8) | (bytes[3] as number)) >>>
  0;

const NOTHING = new Uint8Array(0);
/** How much more than it has the decoder makes room for, of a frame whose size it knows: few copies, and F3. */
const GROWTH = 4;

export class FrameDecoder {
  /** What was received and made no frame yet: the first `held` bytes. */
  private room: Uint8Array = NOTHING;
  private held = 0;

  /** @param frameSizeMax largest accepted tag + payload, in bytes */
  constructor(private readonly frameSizeMax: number) {}

  /**
   * The frames that `chunk` completes; all must be taken. Payloads are views into received bytes.
   * @throws ByteReadError on a bad length, after the frames before it.
   */
  *push(chunk: Uint8Array): Generator<Frame, void> {
    const bytes = this.held === 0 ? chunk : this.append(chunk);
    this.held = 0;
    let at = 0;
    for (;;) {
      const size = bytes.length - at < 4 ? undefined : readSize(bytes.subarray(at, at + 4));
      if (size === 0 || (size !== undefined && size > this.frameSizeMax))
        throw new ByteReadError(`frame of ${size} bytes, limit ${this.frameSizeMax}`);
      if (size === undefined || bytes.length - at < 4 + size) {
        this.keep(bytes, at, size ?? 0);
        return;
      }
      const start = at;
      at += 4 + size;
      yield { tag: bytes[start + 4] ?? 0, payload: bytes.subarray(start + FRAME_HEADER_SIZE, at) };
    }
  }

  private append(chunk: Uint8Array): Uint8Array {
    const length = this.held + chunk.length;
    if (length > this.room.length) this.grow(length, GROWTH * length);
    this.room.set(chunk, this.held);
    this.held = length;
    return this.room.subarray(0, length);
  }

  /** What is left from `at` on goes into room of its own, unless it is there: frames are views of where they came from. */
  private keep(bytes: Uint8Array, at: number, frameSize: number): void {
    const left = bytes.length - at;
    if (at > 0 || bytes.buffer !== this.room.buffer) {
      this.room = left === 0 ? NOTHING : new Uint8Array(Math.max(left, Math.min(4 + frameSize, GROWTH * left)));
      this.room.set(bytes.subarray(at));
    }
    this.held = left;
  }

  private grow(lengthMin: number, lengthWanted: number): void {
    const size = this.held < 4 ? 0 : readSize(this.room);
    const room = new Uint8Array(Math.max(lengthMin, Math.min(4 + size, lengthWanted)));
    room.set(this.room.subarray(0, this.held));
    this.room = room;
  }
}
