/**
 * New pages for a store of many: cut from larger arrays, because an array of 8 KiB of its own is dear to make and to collect.
 *
 *   O1  A page begins as zeros and is given out once.
 */
import { PAGE_SIZE } from '@neon/postgres';

const PAGES_PER_SLAB = 128;

export class PagePool {
  private slab = new Uint8Array(0);
  private used = 0;

  take(): Uint8Array {
    if (this.used === this.slab.length) {
      this.slab = new Uint8Array(PAGES_PER_SLAB * PAGE_SIZE);
      this.used = 0;
    }
    const start = this.used;
    this.used += PAGE_SIZE;
    return this.slab.subarray(start, this.used);
  }

  copyOf(page: Uint8Array): Uint8Array {
    const copy = this.take();
    copy.set(page);
    return copy;
  }
}
