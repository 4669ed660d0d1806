/**
 * The newest stretch of a leader's WAL, held in memory until every safekeeper has it or it grows too long.
 *
 *   W1  The window is contiguous: bytes are added exactly at `endLsn` and dropped only from the front.
 *   W2  A window is a value, although windows share memory: bytes below a window's `endLsn` never change. Only the newest
 *       window of a line may be appended to.
 *
 * Memory is in blocks of the size of one append, aligned to it, so small commits are copied once and sent as views.
 */
import { Lsn, assert } from '@neon/kernel';
import { APPEND_SIZE_MAX } from './message';

const BLOCK_SIZE = APPEND_SIZE_MAX;

export interface WalWindow {
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  /** The block that holds `startLsn` is the first one. */
  readonly blocks: readonly Uint8Array[];
}

const blockNumber = (lsn: Lsn): number => Math.floor(lsn / BLOCK_SIZE);

export const WalWindow = {
  empty: (lsn: Lsn): WalWindow => ({ startLsn: lsn, endLsn: lsn, blocks: [] }),

  append(window: WalWindow, startLsn: Lsn, bytes: Uint8Array): WalWindow {
    assert(
      startLsn === window.endLsn,
      `W1: WAL arrives at ${Lsn.format(startLsn)}, window ends ${Lsn.format(window.endLsn)}`,
    );
    const first = blockNumber(window.startLsn);
    let blocks = window.blocks;
    let taken = 0;
    while (taken < bytes.length) {
      const lsn = window.endLsn + taken;
      const index = Math.floor(lsn / BLOCK_SIZE) - first;
      if (index === blocks.length) blocks = [...blocks, new Uint8Array(BLOCK_SIZE)];
      const count = Math.min(bytes.length - taken, BLOCK_SIZE - (lsn % BLOCK_SIZE));
      blocks[index]?.set(bytes.subarray(taken, taken + count), lsn % BLOCK_SIZE);
      taken += count;
    }
    return { startLsn: window.startLsn, endLsn: Lsn.advance(window.endLsn, bytes.length), blocks };
  },

  /** A view of what follows `lsn`, up to the end of its block; empty at or beyond the window's end. */
  slice(window: WalWindow, lsn: Lsn, sizeMax: number): Uint8Array {
    assert(lsn >= window.startLsn, 'W1: no bytes before the window');
    const block = window.blocks[blockNumber(lsn) - blockNumber(window.startLsn)];
    if (block === undefined || lsn >= window.endLsn) return new Uint8Array(0);
    const offset = lsn % BLOCK_SIZE;
    return block.subarray(offset, offset + Math.min(sizeMax, BLOCK_SIZE - offset, window.endLsn - lsn));
  },

  /** Without the bytes below `lsn`. */
  dropBelow(window: WalWindow, lsn: Lsn): WalWindow {
    const startLsn = Lsn.min(Lsn.max(lsn, window.startLsn), window.endLsn);
    const dropped = blockNumber(startLsn) - blockNumber(window.startLsn);
    if (startLsn === window.startLsn) return window;
    return { ...window, startLsn, blocks: dropped === 0 ? window.blocks : window.blocks.slice(dropped) };
  },

  size: (window: WalWindow): number => window.endLsn - window.startLsn,
};
