/**
 * Memory for page answers, used again and again.
 *
 * Memory outside V8's heap counts towards its next full collection: answers of a megabyte, each in memory of its own,
 * mean one about every twenty megabytes, which took more than half of the time of a scan.
 *
 *   M1  Memory is lent to one borrower at a time; giving back what was not lent, or twice, does nothing.
 *   M2  At most `freeSizeBytesMax` wait for reuse. Who never gives back leaves it to the collector.
 */
import { PAGE_SIZE } from '@neon/pageserver-contract';

/** An answer is its pages and a few bytes before them. */
const ANSWER_OVERHEAD = 64;
const FREE_SIZE_BYTES_MAX = 32 * 1024 * 1024;

export class PageMemory {
  /** By size; sizes are ANSWER_OVERHEAD and a power of two of pages. */
  private readonly free = new Map<number, ArrayBufferLike[]>();
  private readonly lent = new WeakSet<ArrayBufferLike>();
  private freeSizeBytes = 0;

  constructor(private readonly freeSizeBytesMax = FREE_SIZE_BYTES_MAX) {}

  /** `size` bytes of anything. */
  borrow(size: number): Buffer {
    if (size < PAGE_SIZE) return Buffer.allocUnsafe(size);
    const pageCount = 2 ** Math.ceil(Math.log2(Math.max(1, (size - ANSWER_OVERHEAD) / PAGE_SIZE)));
    const sizeBytes = pageCount * PAGE_SIZE + ANSWER_OVERHEAD;
    let memory = this.free.get(sizeBytes)?.pop();
    if (memory === undefined) memory = Buffer.allocUnsafeSlow(sizeBytes).buffer;
    else this.freeSizeBytes -= sizeBytes;
    this.lent.add(memory);
    return Buffer.from(memory, 0, size);
  }

  /** The borrower of these bytes, or of a view of them, will not look at them again. */
  giveBack({ buffer }: Uint8Array): void {
    if (!this.lent.delete(buffer) || this.freeSizeBytes + buffer.byteLength > this.freeSizeBytesMax) return;
    this.freeSizeBytes += buffer.byteLength;
    const list = this.free.get(buffer.byteLength);
    if (list === undefined) this.free.set(buffer.byteLength, [buffer]);
    else list.push(buffer);
  }
}
