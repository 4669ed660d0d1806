/** CRC-32C of a whole object, in portions: other work of the event loop waits for one of them at most. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32cExtend } from '@neon/kernel';

/** Two to four milliseconds of work. */
const PORTION_SIZE = 8 * 1024 * 1024;

export async function contentChecksum(bytes: Uint8Array): Promise<number> {
  let running = 0xffff_ffff;
  for (let at = 0; at < bytes.length; at += PORTION_SIZE) {
    if (at > 0) await nextTurn();
    running = crc32cExtend(running, bytes, at, Math.min(at + PORTION_SIZE, bytes.length));
  }
  return (running ^ 0xffff_ffff) >>> 0;
}
