/**
 * The changes of the pages that a record names.
 *
 *   L1  An image to be restored is the page, except where redo goes on to change the page it restored: there the delta carries the
 *       image (Hash SPLIT_ALLOCATE_PAGE and SPLIT_COMPLETE, the child page of GiST PAGE_UPDATE and PAGE_SPLIT).
 *   L2  Any other block is a delta; a resource manager without block redo may name blocks only with an image.
 *   L3  Records that Postgres replays from images alone are refused when an image is missing.
 */
import { hasBlockRedo } from './registry';
import { restoreImage } from '../wal/image';
import { RMGR_INFO_MASK } from '../wal/layout';
import type { BlockReference, WalRecord } from '../wal/record';
import { RMID_BUILT_IN_MAX, Rmgr } from '../wal/rmgr';
import { UnsupportedRecord, type RelationPage, type UnwrittenChange } from './change';
import type { ChangeSettings } from './change-settings';
import { describeRecord } from '../wal/describe';
import { RecordDelta, stampRestoredPage } from './record-delta';

type Rule = (block: BlockReference) => boolean;

/** Rules by resource manager and the high four bits of xl_info. */
type Rules = readonly (Rule | undefined)[];

const key = (rmid: number, info: number): number => (rmid << 4) | (info >>> 4);

function rulesOf(entries: readonly (readonly [number, Rule])[]): Rules {
  const rules = new Array<Rule | undefined>(key(RMID_BUILT_IN_MAX + 1, 0)).fill(undefined);
  for (const [at, rule] of entries) rules[at] = rule;
  return rules;
}

const lookUp = (rules: Rules, { rmid, info }: WalRecord, block: BlockReference): boolean =>
  rules[key(rmid, info)]?.(block) ?? false;

/** L1: blocks whose redo goes on after an image. */
const REDO_AFTER_IMAGE = rulesOf([
  [key(Rmgr.HASH, 0x40), (block: BlockReference) => block.id < 2], // SPLIT_ALLOCATE_PAGE: both buckets, not the metapage
  [key(Rmgr.HASH, 0x60), () => true], // SPLIT_COMPLETE
  [key(Rmgr.GIST, 0x00), (block: BlockReference) => block.id === 1], // PAGE_UPDATE: follow-right flag of the child
  [key(Rmgr.GIST, 0x30), (block: BlockReference) => block.id === 0], // PAGE_SPLIT: likewise
]);

/** L3: blocks that nothing but an image can redo. */
const ONLY_BY_IMAGE = rulesOf([
  [key(Rmgr.XLOG, 0xb0), () => true], // FPI
  [key(Rmgr.HASH, 0x50), () => true], // SPLIT_PAGE
  [key(Rmgr.GIN, 0x30), (block: BlockReference) => block.id < 3], // SPLIT; block 3 is the child
  [key(Rmgr.GIN, 0x40), () => true], // VACUUM_PAGE
]);

/** XLOG FPI_FOR_HINT may name a page without its image: then it changes nothing. */
const isHintWithoutImage = (record: WalRecord): boolean =>
  record.rmid === Rmgr.XLOG && (record.info & RMGR_INFO_MASK) === 0xa0;

/** What a page that the record names is made from. @throws UnsupportedRecord when that is not there (L2, L3) */
export function blockTreatment(record: WalRecord, block: BlockReference): 'image' | 'redo' | 'nothing' {
  const { image } = block;
  if (image !== null && image.apply) return lookUp(REDO_AFTER_IMAGE, record, block) ? 'redo' : 'image';
  if (isHintWithoutImage(record)) return 'nothing';
  if (hasBlockRedo(record.rmid) && !lookUp(ONLY_BY_IMAGE, record, block)) return 'redo';
  throw new UnsupportedRecord(
    describeRecord(record),
    record.lsn,
    `block ${block.id} lacks the image it is redone from`,
  );
}

/** Null when the record leaves the page as it is. */
export function blockChange(
  record: WalRecord,
  block: BlockReference,
  settings: ChangeSettings,
): UnwrittenChange | null {
  const treatment = blockTreatment(record, block);
  if (treatment === 'nothing') return null;
  const page: RelationPage = {
    kind: 'relation',
    relation: block.relation,
    fork: block.fork,
    block: block.block,
  };
  if (treatment === 'image') {
    const image = restoreImage(record, block, settings);
    stampRestoredPage(image, record.endLsn);
    return { kind: 'page-image', page, image };
  }
  const delta = new RecordDelta(record, block, settings.walLogHints);
  return { kind: 'page-delta', page, willInit: block.willInit, delta };
}
