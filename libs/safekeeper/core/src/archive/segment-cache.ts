/**
 * Segments that were read back from the archive, shared by their readers.
 *
 *   SC1  A segment is fetched once for as long as it is here, by however many readers at once.
 *   SC2  At most `sizeMax` bytes are here or on their way, or one segment that is larger. Who needs another one waits.
 *   SC3  What somebody is reading is not given up for another: a segment goes when a reader has come to its end, or when it was
 *        not read for IDLE_MS. So each segment is fetched once, and not once for each of its pieces, when more are read
 *        than have room.
 *   SC4  What could not be fetched is fetched again for the next reader.
 */
import type { Clock } from '@neon/kernel';
import type { Later } from './archive-queue';

export const IDLE_MS = 5_000;

interface Held {
  readonly bytes: Promise<Uint8Array>;
  readonly size: number;
  usedMs: number;
  isFinished: boolean;
}

export interface SegmentCacheOptions {
  readonly sizeMax: number;
  readonly clock: Clock;
  readonly later: Later;
}

export class SegmentCache {
  /** The order of the map is the order of use. */
  private readonly held = new Map<string, Held>();
  private readonly waiting: (() => boolean)[] = [];
  private size = 0;
  private isWaking = false;

  constructor(private readonly options: SegmentCacheOptions) {}

  read(name: string, size: number, fetch: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const known = this.use(name);
    if (known !== undefined) return known;
    return new Promise((resolve) => {
      const attempt = (): boolean => {
        const bytes = this.use(name) ?? this.admit(name, size, fetch);
        if (bytes === undefined) return false;
        resolve(bytes);
        return true;
      };
      if (this.waiting.length > 0 || !attempt()) this.wait(attempt);
    });
  }

  /** SC3: a reader has come to the end of it. */
  finished(name: string): void {
    const held = this.held.get(name);
    if (held === undefined) return;
    held.isFinished = true;
    this.wake();
  }

  private use(name: string): Promise<Uint8Array> | undefined {
    const held = this.held.get(name);
    if (held === undefined) return undefined;
    held.usedMs = this.options.clock.now();
    held.isFinished = false;
    this.held.delete(name);
    this.held.set(name, held);
    return held.bytes;
  }

  /** SC2. Undefined when there is no room. */
  private admit(name: string, size: number, fetch: () => Promise<Uint8Array>): Promise<Uint8Array> | undefined {
    const { sizeMax, clock } = this.options;
    const nowMs = clock.now();
    for (const [oldest, held] of this.held) {
      if (this.size + size <= sizeMax) break;
      if (held.isFinished || nowMs - held.usedMs >= IDLE_MS) this.drop(oldest, held);
    }
    if (this.size > 0 && this.size + size > sizeMax) return undefined;
    const held: Held = { bytes: fetch(), size, usedMs: nowMs, isFinished: false };
    this.held.set(name, held);
    this.size += size;
    held.bytes.catch(() => {
      this.drop(name, held);
      this.wake();
    });
    return held.bytes;
  }

  private drop(name: string, held: Held): void {
    if (this.held.get(name) !== held) return;
    this.held.delete(name);
    this.size -= held.size;
  }

  private wait(attempt: () => boolean): void {
    this.waiting.push(attempt);
    this.wakeLater();
  }

  private wakeLater(): void {
    if (this.isWaking) return;
    this.isWaking = true;
    this.options.later(IDLE_MS, () => {
      this.isWaking = false;
      this.wake();
      if (this.waiting.length > 0) this.wakeLater();
    });
  }

  private wake(): void {
    while (this.waiting[0]?.() === true) this.waiting.shift();
  }
}
