/**
 * Frames on our own TCP protocols: `u32 length | u8 tag | payload`, where length counts tag and payload.
 *
 *   F1  However the stream is cut, `push` yields the same frames in order.
 *   F2  A length of 0 or above the limit throws before anything is buffered for it.
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

export class FrameDecoder {
  private chunks: Uint8Array[] = [];
  private buffered = 0;

  /** @param frameSizeMax largest accepted tag + payload, in bytes */
  constructor(private readonly frameSizeMax: number) {}

  /** The frames that `chunk` completes. Payloads are views into received bytes. @throws ByteReadError on a bad length. */
  push(chunk: Uint8Array): Frame[] {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    const frames: Frame[] = [];
    for (;;) {
      if (this.buffered < 4) return frames;
      const size = readSize(this.peek(4));
      if (size === 0 || size > this.frameSizeMax)
        throw new ByteReadError(`frame of ${size} bytes, limit ${this.frameSizeMax}`);
      if (this.buffered < 4 + size) return frames;
      const whole = this.peek(4 + size);
      this.drop(4 + size);
      frames.push({ tag: whole[4] ?? 0, payload: whole.subarray(FRAME_HEADER_SIZE, 4 + size) });
    }
  }

  /** The first `count` buffered bytes in one piece; joins chunks only when they lie across a cut. */
  private peek(count: number): Uint8Array {
    const first = this.chunks[0];
    if (first !== undefined && first.length >= count) return first;
    const joined = new Uint8Array(this.buffered);
    let at = 0;
    for (const chunk of this.chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    this.chunks = [joined];
    return joined;
  }

  private drop(count: number): void {
    const first = this.chunks[0];
    if (first === undefined) return;
    if (first.length === count) this.chunks.shift();
    else this.chunks[0] = first.subarray(count);
    this.buffered -= count;
  }
}
