/**
 * A WAL record as a value: where it lies within bytes, and the positions of its parts.
 *
 * Layout: XLogRecord header, block headers, block images and data, main data (access/xlogrecord.h).
 *
 *   R1  The whole record, header included and page headers removed, is `size` bytes at `offset` of `bytes`, among which other
 *       records may lie; parts are offsets into `bytes` too.
 *   R2  `lsn` is where the record starts (its ReadRecPtr), `endLsn` the MAXALIGNed position after it (EndRecPtr); an
 *       XLOG SWITCH record ends at the end of its segment. A page this record changes carries `endLsn` as its page LSN.
 *   R3  Whoever keeps a record beyond the next call of the decoder keeps its bytes, and parses them again later.
 */
import type { Lsn } from '@neon/kernel';

/** The Postgres majors whose formats this library knows. */
export type PostgresMajor = 14 | 15 | 16 | 17 | 18;

/** ForkNumber of common/relpath.h. */
export const Fork = { MAIN: 0, FSM: 1, VISIBILITY_MAP: 2, INIT: 3 } as const;
export type Fork = (typeof Fork)[keyof typeof Fork];

export interface RelationId {
  readonly tablespaceOid: number;
  readonly databaseOid: number;
  readonly relationNumber: number;
}

export interface BlockImage {
  /** Position and size of the stored (perhaps compressed) image within `bytes`. */
  readonly offset: number;
  readonly length: number;
  /** The zeros that were left out: `holeLength` bytes at `holeOffset` of the page. */
  readonly holeOffset: number;
  readonly holeLength: number;
  readonly compression: 'none' | 'pglz' | 'lz4' | 'zstd';
  /** Whether redo restores the page from it (BKPIMAGE_APPLY); otherwise it is there for consistency checking. */
  readonly apply: boolean;
}

export interface BlockReference {
  /** Block id within the record, as the rmgr numbered it (not an index: ids may have gaps). */
  readonly id: number;
  readonly relation: RelationId;
  readonly fork: Fork;
  readonly block: number;
  /** BKPBLOCK_WILL_INIT: redo builds the page from nothing. */
  readonly willInit: boolean;
  /** Block data within `bytes`; length 0 when there is none. */
  readonly dataOffset: number;
  readonly dataLength: number;
  readonly image: BlockImage | null;
}

export interface WalRecord {
  readonly major: PostgresMajor;
  readonly lsn: Lsn;
  readonly endLsn: Lsn;
  /** xl_prev: start of the record before this one. */
  readonly prevLsn: Lsn;
  readonly xid: number;
  readonly rmid: number;
  /** xl_info, all eight bits: the rmgr's in the high four, XLR_* in the low four. */
  readonly info: number;
  /** R1 */
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly size: number;
  readonly blocks: readonly BlockReference[];
  readonly mainOffset: number;
  readonly mainLength: number;
  /** Replication origin of the record (XLR_BLOCK_ID_ORIGIN), or 0. */
  readonly originId: number;
  /** Top-level xid when the record carries it (XLR_BLOCK_ID_TOPLEVEL_XID), or 0. */
  readonly topLevelXid: number;
}

/** A view of the whole record. */
export const recordBytes = ({ bytes, offset, size }: WalRecord): Uint8Array => bytes.subarray(offset, offset + size);
