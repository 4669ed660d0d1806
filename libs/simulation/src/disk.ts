/**
 * A file on a disk that forgets: what was written but not synced may survive a crash, in part, or not, in any order.
 *
 *   D1  `read` sees every write at once (page cache); after `crash` only synced bytes are certain.
 *   D2  A crash keeps, of each unsynced write, any sector or not, independently.
 */
import type { SeededRandom } from './seeded-random';

interface PendingWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const SECTOR_SIZE = 64;

export class ForgetfulFile {
  private durable: Uint8Array;
  private cached: Uint8Array;
  private pending: PendingWrite[] = [];

  constructor(size: number) {
    this.durable = new Uint8Array(size);
    this.cached = new Uint8Array(size);
  }

  /** The file as its readers see it. */
  get content(): Uint8Array {
    return this.cached;
  }

  /** The file as a crash would leave it at worst. */
  get certain(): Uint8Array {
    return this.durable;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.ensure(offset + bytes.length);
    this.cached.set(bytes, offset);
    this.pending.push({ offset, bytes: bytes.slice() });
  }

  zeroFrom(offset: number): void {
    this.write(offset, new Uint8Array(Math.max(0, this.cached.length - offset)));
  }

  /** What is pending now; `sync(mark)` makes it durable, and nothing that was written later. */
  mark = (): number => this.pending.length;

  sync(mark = this.pending.length): void {
    for (const { offset, bytes } of this.pending.splice(0, mark)) this.durable.set(bytes, offset);
  }

  crash(random: SeededRandom): void {
    for (const { offset, bytes } of this.pending)
      for (let at = 0; at < bytes.length; at += SECTOR_SIZE)
        if (random.chance(0.5)) this.durable.set(bytes.subarray(at, at + SECTOR_SIZE), offset + at);
    this.pending = [];
    this.cached = this.durable.slice();
  }

  private ensure(size: number): void {
    if (size <= this.cached.length) return;
    const grow = (bytes: Uint8Array): Uint8Array => {
      const larger = new Uint8Array(Math.max(size, bytes.length * 2));
      larger.set(bytes);
      return larger;
    };
    this.durable = grow(this.durable);
    this.cached = grow(this.cached);
  }
}
