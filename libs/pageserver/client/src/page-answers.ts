/**
 * From a pageserver's byte stream to its answers, and from its errors to ours.
 *
 *   W1  However the stream is cut, `push` hands out the same answers in order.
 *   W2  Each payload is copied once, into memory from `allocate`: the chunk may be used again as soon as `push` returns.
 */
import { ByteReadError, Corrupt, FRAME_HEADER_SIZE, Refusal, Unavailable } from '@neon/kernel';
import { PAGE_FRAME_SIZE_MAX, type PageAnswer, type PageError, decodePageAnswer } from '@neon/pageserver-contract';

export class PageAnswerDecoder {
  private readonly header = Buffer.alloc(FRAME_HEADER_SIZE);
  private headerSize = 0;
  private payload: Buffer = Buffer.alloc(0);
  private payloadSize = 0;

  /** @param allocate makes room for the payload of an answer, whose bytes are handed out with it */
  constructor(private readonly allocate: (size: number) => Buffer = (size) => Buffer.allocUnsafeSlow(size)) {}

  /** @throws ByteReadError or RangeError on anything but well-formed answers. */
  push(chunk: Buffer, onAnswer: (answer: PageAnswer) => void): void {
    for (let at = 0; at < chunk.length;) {
      if (this.headerSize < FRAME_HEADER_SIZE) {
        const taken = chunk.copy(this.header, this.headerSize, at, at + FRAME_HEADER_SIZE - this.headerSize);
        this.headerSize += taken;
        at += taken;
        if (this.headerSize < FRAME_HEADER_SIZE) return;
        this.beginPayload();
      } else {
        const taken = chunk.copy(this.payload, this.payloadSize, at);
        this.payloadSize += taken;
        at += taken;
      }
      if (this.payloadSize < this.payload.length) continue;
      this.headerSize = 0;
      onAnswer(decodePageAnswer({ tag: this.header.readUInt8(4), payload: this.payload }));
    }
  }

  private beginPayload(): void {
    const size = this.header.readUInt32BE(0);
    if (size === 0 || size > PAGE_FRAME_SIZE_MAX)
      throw new ByteReadError(`frame of ${size} bytes, limit ${PAGE_FRAME_SIZE_MAX}`);
    this.payload = this.allocate(size - 1);
    this.payloadSize = 0;
  }
}

/** Unavailable: ask again. Corrupt and Refusal (with the pageserver's code): asking again will not help. */
export function errorOf({ code, message }: PageError): Error {
  const text = `${code}: ${message}`;
  switch (code) {
    case 'LsnNotReached':
    case 'Overloaded':
    case 'Internal':
      return new Unavailable(text);
    case 'Corrupt':
      return new Corrupt(text);
    default:
      return new Refusal(code, text);
  }
}
