/**
 * The delta of a page that a record names: the record itself, without what only its other pages need.
 *
 *   Y1  Redo of one block reads the record's main data, its own block data, and the tags of the other blocks. Their data and
 *       images are left out of the delta when that saves enough, and so is the block's own image unless redo starts from it.
 *   Y2  A record in a delta that left something out has no checksum; the store's own checksums stand for it.
 */
import { Corrupt, Lsn, type UnwrittenBytes, copyRange } from '@neon/kernel';
import { readU32, writeU32 } from '../page/little-endian';
import { pageIsNew, setPageLsn } from '../page/page-header';
import { describeRecord } from '../wal/describe';
import { assembleRecord, type BlockDraft } from '../wal/encoder';
import { restoreImage, type ImageCodecs } from '../wal/image';
import { RecordAt } from '../wal/layout';
import { parsePlacedRecord } from '../wal/parse-record';
import type { BlockReference, PostgresMajor, WalRecord } from '../wal/record';
import { UnsupportedRecord } from './change';
import type { ChangeSettings } from './change-settings';
import { DeltaKind } from './delta';
import { findBlock } from './record-data';
import { hasBlockRedo, redoBlock } from './registry';

const HEADER_SIZE = 7;
const AT = { flags: 1, blockId: 2, distance: 3 } as const;
const WAL_LOG_HINTS = 1;
/** Taking a record apart and together again costs as much as keeping this many bytes of it. */
const STRIP_MIN = 256;

/** The record is copied once, from where it lies to where the delta is kept. */
export class RecordDelta implements UnwrittenBytes {
  readonly length: number;
  /** The record without what is left out, or null when all of it is kept. */
  private readonly stripped: Uint8Array | null;

  constructor(
    private readonly record: WalRecord,
    private readonly block: BlockReference,
    private readonly walLogHints: boolean,
  ) {
    this.stripped = strip(record, block);
    this.length = HEADER_SIZE + (this.stripped?.length ?? record.size);
  }

  writeTo(target: Uint8Array, at: number): void {
    const { record, stripped } = this;
    target[at] = DeltaKind.RECORD;
    target[at + AT.flags] = this.walLogHints ? WAL_LOG_HINTS : 0;
    target[at + AT.blockId] = this.block.id;
    writeU32(target, at + AT.distance, record.endLsn - record.lsn);
    if (stripped === null) copyRange(record, target, at + HEADER_SIZE);
    else target.set(stripped, at + HEADER_SIZE);
  }
}

const startsFromImage = (block: BlockReference): boolean => block.image !== null && block.image.apply;

function strip(record: WalRecord, own: BlockReference): Uint8Array | null {
  let superfluous = 0;
  for (const block of record.blocks) {
    if (block !== own) superfluous += block.dataLength;
    if (block.image !== null && !(block === own && block.image.apply)) superfluous += block.image.length;
  }
  if (superfluous < STRIP_MIN) return null;
  const { major, prevLsn, rmid, info, xid, mainOffset, mainLength } = record;
  const main = record.bytes.subarray(mainOffset, mainOffset + mainLength);
  const blocks = record.blocks.map((block) => (block === own ? wholeBlock(record, block) : blockTag(block)));
  return assembleRecord({ rmid, info, xid, main, blocks }, { major, prevLsn });
}

const blockTag = ({ id, relation, fork, block, willInit }: BlockReference): BlockDraft => ({
  id,
  relation,
  fork,
  block,
  willInit,
});

function wholeBlock({ bytes }: WalRecord, block: BlockReference): BlockDraft {
  const { image, dataOffset, dataLength } = block;
  const draft = { ...blockTag(block), data: bytes.subarray(dataOffset, dataOffset + dataLength) };
  if (image === null || !image.apply) return draft;
  return { ...draft, image: { ...image, bytes: bytes.subarray(image.offset, image.offset + image.length) } };
}

export interface RecordDeltaContext extends ImageCodecs {
  readonly endLsn: Lsn;
  readonly major: PostgresMajor;
}

/** Brings `page` to its state after the record of `delta`. */
export function applyRecordDelta(page: Uint8Array, delta: Uint8Array, context: RecordDeltaContext): void {
  const { endLsn, major, zstd } = context;
  const distance = delta.length < HEADER_SIZE ? Infinity : readU32(delta, AT.distance);
  if (distance > endLsn) throw new Corrupt(`a record delta of ${delta.length} bytes, ending at ${Lsn.format(endLsn)}`);
  const lsn = Lsn.of(endLsn - distance);
  const record = parsePlacedRecord(
    delta,
    { offset: HEADER_SIZE, size: delta.length - HEADER_SIZE },
    { major, lsn, endLsn },
  );
  const block = findBlock(record, delta[AT.blockId] as number);
  if (block === undefined || !hasBlockRedo(record.rmid))
    throw new UnsupportedRecord(describeRecord(record), lsn, `no redo of block ${delta[AT.blockId]} of this record`);
  const walLogHints = delta[AT.flags] === WAL_LOG_HINTS;
  redoOnPage(record, block, page, zstd === undefined ? { walLogHints } : { walLogHints, zstd });
}

/** Redo of one block: from its image, where redo starts from that. */
export function redoOnPage(
  record: WalRecord,
  block: BlockReference,
  page: Uint8Array,
  settings: Pick<ChangeSettings, 'walLogHints' | 'zstd'>,
): void {
  const { endLsn } = record;
  if (startsFromImage(block)) {
    restoreImage(record, block, { ...settings, into: page });
    stampRestoredPage(page, endLsn);
  }
  redoBlock({ record, block, endLsn, walLogHints: settings.walLogHints }, page);
}

/** Which record a delta was made from, whatever its bytes are: for messages. */
export function describeRecordDelta(
  delta: Uint8Array,
  { endLsn, major }: Pick<RecordDeltaContext, 'endLsn' | 'major'>,
): string | null {
  const [info, rmid] = [delta[HEADER_SIZE + RecordAt.info], delta[HEADER_SIZE + RecordAt.rmid]];
  if (info === undefined || rmid === undefined) return null;
  const distance = readU32(delta, AT.distance);
  return distance > endLsn
    ? null
    : `${describeRecord({ major, rmid, info })} at ${Lsn.format(Lsn.of(endLsn - distance))}`;
}

/** A page restored from an image carries the record's LSN; a page of zeros stays one. */
export function stampRestoredPage(page: Uint8Array, endLsn: Lsn): void {
  if (!pageIsNew(page)) setPageLsn(page, endLsn);
}
