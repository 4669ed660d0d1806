/**
 * Hands out byte arrays cut from larger ones: a small array of its own costs an allocation outside the JavaScript heap,
 * which is dear at a million records a second.
 *
 *   B1  What is handed out is never handed out again, and begins as zeros.
 */
const SLAB_SIZE = 256 * 1024;
/** Larger pieces get an array of their own, so that a slab never goes to waste for one. */
const PIECE_SIZE_MAX = SLAB_SIZE / 8;

export class ByteSlab {
  private slab = new Uint8Array(0);
  private used = 0;

  allocate(size: number): Uint8Array {
    if (size > PIECE_SIZE_MAX) return new Uint8Array(size);
    if (this.used + size > this.slab.length) {
      this.slab = new Uint8Array(SLAB_SIZE);
      this.used = 0;
    }
    const start = this.used;
    this.used += size;
    return this.slab.subarray(start, start + size);
  }
}
