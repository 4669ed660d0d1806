/** The body of an answer, read to its end. */
import { Readable, addAbortSignal } from 'node:stream';
import { BYTES_PER_MS_MIN } from './s3-config';
import type { Attempt } from './attempts';
import { UselessAnswer } from './s3-failure';

/** @throws UselessAnswer when it has another size than announced */
export async function readBody(
  body: unknown,
  { size, attempt, answerMs }: { size: number; attempt: Attempt; answerMs: number },
): Promise<Uint8Array> {
  if (!(body instanceof Readable)) throw new UselessAnswer('the answer has no body');
  attempt.extend(transferMs(size, answerMs));
  addAbortSignal(attempt.signal, body);
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array) || at + chunk.length > size)
      throw new UselessAnswer(`the body of the answer is longer than ${size} bytes`);
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at < size) throw new UselessAnswer(`the body of the answer ended after ${at} of ${size} bytes`);
  return bytes;
}

/** Ends an answer whose body nobody reads: its connection would stay taken. */
export function discard(body: unknown): void {
  if (body instanceof Readable) body.destroy();
}

/** How long these bytes may take, on top of the time for an answer. */
export const transferMs = (size: number, answerMs: number): number => answerMs + size / BYTES_PER_MS_MIN;
