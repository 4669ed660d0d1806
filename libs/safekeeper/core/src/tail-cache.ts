/**
 * The newest WAL of a timeline in memory, so that many readers of the tail cost one copy and no file read.
 *
 *   TC1  What it returns is what was appended, truncations included; it may always return nothing.
 *   TC2  It holds at most TAIL_CACHE_SIZE_MAX bytes, and nothing after `clear`.
 */
import { Lsn } from '@neon/kernel';

export const TAIL_CACHE_SIZE_MAX = 4 * 1024 * 1024;

interface Piece {
  readonly startLsn: Lsn;
  readonly bytes: Uint8Array;
}

const endOf = (piece: Piece): Lsn => Lsn.advance(piece.startLsn, piece.bytes.length);

export class TailCache {
  /** Contiguous; those before `head` are dropped. */
  private pieces: Piece[] = [];
  private head = 0;
  private size = 0;

  append(startLsn: Lsn, bytes: Uint8Array): void {
    const last = this.pieces[this.pieces.length - 1];
    if (last !== undefined && endOf(last) !== startLsn) this.clear();
    this.pieces.push({ startLsn, bytes });
    this.size += bytes.length;
    while (this.size > TAIL_CACHE_SIZE_MAX) this.dropFirst();
  }

  truncate(endLsn: Lsn): void {
    const last = this.pieces[this.pieces.length - 1];
    if (last !== undefined && endOf(last) > endLsn) this.clear();
  }

  clear(): void {
    this.pieces = [];
    this.head = 0;
    this.size = 0;
  }

  /** Bytes from `lsn` on, at most `sizeMax`; undefined when they are not here. */
  read(lsn: Lsn, sizeMax: number): Uint8Array | undefined {
    let index = this.find(lsn);
    if (index === undefined) return undefined;
    const parts: Uint8Array[] = [];
    let taken = 0;
    for (let piece = this.pieces[index]; piece !== undefined && taken < sizeMax; piece = this.pieces[++index]) {
      const from = lsn + taken - piece.startLsn;
      const part = piece.bytes.subarray(from, from + sizeMax - taken);
      parts.push(part);
      taken += part.length;
    }
    return parts.length === 1 ? parts[0] : concat(parts, taken);
  }

  private find(lsn: Lsn): number | undefined {
    let low = this.head;
    let high = this.pieces.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const piece = this.pieces[middle];
      if (piece === undefined) return undefined;
      if (lsn < piece.startLsn) high = middle - 1;
      else if (lsn >= endOf(piece)) low = middle + 1;
      else return middle;
    }
    return undefined;
  }

  private dropFirst(): void {
    this.size -= this.pieces[this.head]?.bytes.length ?? 0;
    this.head++;
    // Amortised: the array is rebuilt when half of it is dropped.
    if (this.head * 2 < this.pieces.length) return;
    this.pieces = this.pieces.slice(this.head);
    this.head = 0;
  }
}

function concat(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
