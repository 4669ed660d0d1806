/**
 * Redo of pruning and freezing of a heap page (heap_xlog_prune_freeze, heap_page_prune_execute).
 *
 * Since 17 one format tells everything that pruning or vacuum did to a page; why it was done is only in the operation.
 * Before, pruning, the second pass of vacuum and freezing were records of their own.
 */
import { Corrupt } from '@neon/kernel';
import { repairFragmentation, truncateLinePointerArray } from '../page/bufpage';
import { setTupleCid, setTupleInfomask, setTupleInfomask2, setTupleXmax } from '../page/heap-tuple';
import { DEAD_POINTER, UNUSED_POINTER, linePointerCount, redirectPointer, setLinePointer } from '../page/line-pointer';
import { readU16, readU32 } from '../page/little-endian';
import { setPageLsn } from '../page/page-header';
import { versionOf } from '../versions';
import type { WalRecord } from '../wal/record';
import { tupleAt } from './heap-tuple-redo';
import { mainData } from './record-data';
import type { BlockRedoContext } from './block-redo';

const PruneFlag = {
  CLEANUP_LOCK: 0x04,
  HAS_FREEZE_PLANS: 0x10,
  HAS_REDIRECTIONS: 0x20,
  HAS_DEAD_ITEMS: 0x40,
  HAS_NOW_UNUSED_ITEMS: 0x80,
} as const;

const FreezeFlag = { XVAC_FROZEN: 0x02, XVAC_INVALID: 0x04 } as const;
const FROZEN_XID = 2;

/** An array of `count` shorts that begins at `at` of the record: read where it lies, for records like these come often. */
interface Shorts {
  readonly at: number;
  readonly count: number;
}

/** What becomes of line pointers; `redirected` holds pairs of from and to. */
interface Pruning {
  readonly redirected: Shorts;
  readonly dead: Shorts;
  readonly unused: Shorts;
}

/** How to freeze a group of tuples (xlhp_freeze_plan). */
interface FreezePlan {
  readonly xmax: number;
  readonly infomask2: number;
  readonly infomask: number;
  readonly flags: number;
  readonly offsetNumbers: Shorts;
}

const NONE: Shorts = { at: 0, count: 0 };
const NO_PLANS: readonly FreezePlan[] = [];
const PLAN_SIZE = 12;

/** Reads shorts and plans of a block's data in order, never beyond its end. */
class BlockDataCursor {
  private readonly bytes: Uint8Array;
  private readonly end: number;
  private at: number;

  constructor({ record, block }: BlockRedoContext) {
    this.bytes = record.bytes;
    this.at = block.dataOffset;
    this.end = block.dataOffset + block.dataLength;
  }

  u16(): number {
    return readU16(this.bytes, this.skip(1, 2));
  }

  shorts(count: number): Shorts {
    return { at: this.skip(count, 2), count };
  }

  /** A count, and as many groups of `width` shorts. */
  counted(width: number): Shorts {
    return this.shorts(this.u16() * width);
  }

  /** Takes `count` structures of `size` bytes; returns where they begin. */
  skip(count: number, size: number): number {
    const at = this.at;
    if (at + count * size > this.end) throw new Corrupt(`${count} structures of ${size} bytes do not fit`);
    this.at += count * size;
    return at;
  }

  get shortsLeft(): number {
    return (this.end - this.at) >>> 1;
  }
}

/** xl_heap_prune: reason, flags, and the conflict horizon that only a hot standby needs. */
export function redoPruneFreeze(context: BlockRedoContext, page: Uint8Array): void {
  const { record, endLsn } = context;
  const flags = record.bytes[mainData(record, 2) + 1] as number;
  const cursor = new BlockDataCursor(context);
  let plansAt = 0;
  let planCount = 0;
  if (flags & PruneFlag.HAS_FREEZE_PLANS) {
    planCount = cursor.u16();
    cursor.skip(1, 2);
    plansAt = cursor.skip(planCount, PLAN_SIZE);
  }
  const pruning = {
    redirected: flags & PruneFlag.HAS_REDIRECTIONS ? cursor.counted(2) : NONE,
    dead: flags & PruneFlag.HAS_DEAD_ITEMS ? cursor.counted(1) : NONE,
    unused: flags & PruneFlag.HAS_NOW_UNUSED_ITEMS ? cursor.counted(1) : NONE,
  };
  const plans = readPlans(record, cursor, { at: plansAt, count: planCount });
  if (pruning.redirected.count + pruning.dead.count + pruning.unused.count > 0) {
    applyPruning(page, record, pruning);
    // Without the cleanup lock no tuple may be moved: only line pointers go.
    if (flags & PruneFlag.CLEANUP_LOCK) repairFragmentation(page);
    else truncateLinePointerArray(page);
  }
  for (const plan of plans) freeze(page, record, plan);
  setPageLsn(page, endLsn);
}

/** Before 17, xl_heap_prune: conflict horizon, nredirected, ndead; what is left of the data are unused items. */
export function redoPruneBefore17(context: BlockRedoContext, page: Uint8Array): void {
  const { record, endLsn } = context;
  const main = mainData(record, 8);
  const cursor = new BlockDataCursor(context);
  const redirected = cursor.shorts(readU16(record.bytes, main + 4) * 2);
  const dead = cursor.shorts(readU16(record.bytes, main + 6));
  applyPruning(page, record, { redirected, dead, unused: cursor.shorts(cursor.shortsLeft) });
  repairFragmentation(page, versionOf(record.major).repairTruncatesLinePointers);
  setPageLsn(page, endLsn);
}

/** Before 17, xl_heap_vacuum: nunused. The second pass of vacuum frees dead line pointers. */
export function redoVacuumBefore17(context: BlockRedoContext, page: Uint8Array): void {
  const { record, endLsn } = context;
  const unused = new BlockDataCursor(context).shorts(readU16(record.bytes, mainData(record, 2)));
  applyPruning(page, record, { redirected: NONE, dead: NONE, unused });
  truncateLinePointerArray(page);
  setPageLsn(page, endLsn);
}

/** Before 17, xl_heap_freeze_page: horizon and a count, of plans in 16, of single tuples before. */
export function redoFreezeBefore17(context: BlockRedoContext, page: Uint8Array): void {
  const { record, endLsn } = context;
  const cursor = new BlockDataCursor(context);
  const count = readU16(record.bytes, mainData(record, 6) + 4);
  const at = cursor.skip(count, PLAN_SIZE);
  const plans =
    versionOf(record.major).freezePageLists === 'plans'
      ? readPlans(record, cursor, { at, count })
      : readTuplePlans(record, { at, count });
  for (const plan of plans) freeze(page, record, plan);
  setPageLsn(page, endLsn);
}

/** Plans, each followed somewhere later by the offset numbers of its tuples. */
function readPlans(
  { bytes }: WalRecord,
  offsetNumbers: BlockDataCursor,
  { at, count }: { at: number; count: number },
): readonly FreezePlan[] {
  if (count === 0) return NO_PLANS;
  return Array.from({ length: count }, (_, index) => {
    const plan = at + index * PLAN_SIZE;
    return {
      xmax: readU32(bytes, plan),
      infomask2: readU16(bytes, plan + 4),
      infomask: readU16(bytes, plan + 6),
      flags: bytes[plan + 8] as number,
      offsetNumbers: offsetNumbers.shorts(readU16(bytes, plan + 10)),
    };
  });
}

/** xl_heap_freeze_tuple of 14 and 15: a plan for one tuple each. */
function readTuplePlans({ bytes }: WalRecord, { at, count }: { at: number; count: number }): FreezePlan[] {
  return Array.from({ length: count }, (_, index) => {
    const plan = at + index * PLAN_SIZE;
    return {
      xmax: readU32(bytes, plan),
      offsetNumbers: { at: plan + 4, count: 1 },
      infomask2: readU16(bytes, plan + 6),
      infomask: readU16(bytes, plan + 8),
      flags: bytes[plan + 10] as number,
    };
  });
}

function applyPruning(page: Uint8Array, { bytes }: WalRecord, { redirected, dead, unused }: Pruning): void {
  for (let i = 0; i < redirected.count; i += 2)
    setCheckedPointer(page, short(bytes, redirected, i), redirectPointer(short(bytes, redirected, i + 1)));
  for (let i = 0; i < dead.count; i++) setCheckedPointer(page, short(bytes, dead, i), DEAD_POINTER);
  for (let i = 0; i < unused.count; i++) setCheckedPointer(page, short(bytes, unused, i), UNUSED_POINTER);
}

const short = (bytes: Uint8Array, { at }: Shorts, index: number): number => readU16(bytes, at + index * 2);

function setCheckedPointer(page: Uint8Array, offsetNumber: number, pointer: number): void {
  if (offsetNumber === 0 || offsetNumber > linePointerCount(page))
    throw new Corrupt(`line pointer ${offsetNumber} is not on the page`);
  setLinePointer(page, offsetNumber, pointer);
}

/** heap_execute_freeze_tuple. */
function freeze(page: Uint8Array, { bytes }: WalRecord, plan: FreezePlan): void {
  const { xmax, infomask2, infomask, flags, offsetNumbers } = plan;
  for (let i = 0; i < offsetNumbers.count; i++) {
    const tuple = tupleAt(page, short(bytes, offsetNumbers, i));
    setTupleXmax(page, tuple, xmax);
    if (flags & FreezeFlag.XVAC_FROZEN) setTupleCid(page, tuple, FROZEN_XID);
    if (flags & FreezeFlag.XVAC_INVALID) setTupleCid(page, tuple, 0);
    setTupleInfomask(page, tuple, infomask);
    setTupleInfomask2(page, tuple, infomask2);
  }
}
