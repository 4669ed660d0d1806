/**
 * Answers to a compute: pages and relation sizes at an LSN.
 *
 *   P1  A block at or beyond the relation's size at the LSN is `BlockOutOfRange`; a relation that does not exist there is
 *       `UnknownRelation`; a block below the size that was never written is zeros.
 *   P2  An LSN in the page header right after a record names that record's end.
 */
import { type Lsn, Lsn as LsnOf, Refusal } from '@neon/kernel';
import type { Fork, RelationId } from '@neon/postgres';
import { relationPagePrefix, relationSizePrefix } from '../key/key';
import { decodeSize } from './fork-sizes';
import type { Timeline } from './timeline';

export interface PagesWanted {
  readonly relation: RelationId;
  readonly fork: Fork;
  readonly blocks: readonly number[];
  readonly lsn: Lsn;
}

const WAL_PAGE_SIZE = 8192;
const SHORT_HEADER_SIZE = 24;
const LONG_HEADER_SIZE = 40;

/** P2: records begin after the page header, yet the one before ended at the page's beginning. */
export function recordBoundary(lsn: Lsn, walSegmentSize: number): Lsn {
  if (lsn % walSegmentSize === LONG_HEADER_SIZE) return (lsn - LONG_HEADER_SIZE) as Lsn;
  return lsn % WAL_PAGE_SIZE === SHORT_HEADER_SIZE ? ((lsn - SHORT_HEADER_SIZE) as Lsn) : lsn;
}

/** Waits until the LSN is ingested, then reads. @throws Refusal, Corrupt, Unavailable */
export async function readPages(timeline: Timeline, wanted: PagesWanted, signal: AbortSignal): Promise<Uint8Array[]> {
  const lsn = recordBoundary(wanted.lsn, timeline.index.walSegmentSize);
  await timeline.waitFor(lsn, signal);
  checkBlocks(wanted, await relationSize(timeline, wanted, lsn));
  return timeline.pagesAt(keysOf(wanted), lsn);
}

/** As `readPages`, when it can be answered from memory at once; null when it cannot. @throws Refusal, Corrupt */
export function readPagesNow(timeline: Timeline, wanted: PagesWanted): Uint8Array[] | null {
  const lsn = recordBoundary(wanted.lsn, timeline.index.walSegmentSize);
  if (!timeline.hasReached(lsn)) return null;
  const size = knownSize(timeline, wanted, lsn);
  if (size === undefined) return null;
  checkBlocks(wanted, size);
  return timeline.pagesNow(keysOf(wanted), lsn);
}

/** Blocks of a relation fork at an ingested LSN; null when it does not exist. */
export async function relationSize(
  timeline: Timeline,
  { relation, fork }: Pick<PagesWanted, 'relation' | 'fork'>,
  lsn: Lsn,
): Promise<number | null> {
  const known = knownSize(timeline, { relation, fork }, lsn);
  if (known !== undefined) return known;
  const [content = null] = await timeline.contentsAt([sizeKey({ relation, fork })], lsn);
  return decodeSize(content);
}

const sizeKey = ({ relation, fork }: Pick<PagesWanted, 'relation' | 'fork'>) => ({
  prefix: relationSizePrefix(relation, fork),
  index: 0,
});

function keysOf({ relation, fork, blocks }: PagesWanted) {
  const prefix = relationPagePrefix(relation, fork);
  return blocks.map((index) => ({ prefix, index }));
}

function knownSize(
  timeline: Timeline,
  { relation, fork }: Pick<PagesWanted, 'relation' | 'fork'>,
  lsn: Lsn,
): number | null | undefined {
  if (lsn === timeline.lastRecordLsn) {
    const run = timeline.sizes.findFork(relation, fork);
    if (run !== undefined) return run.size;
  }
  const contents = timeline.contentsNow([sizeKey({ relation, fork })], lsn);
  return contents === null ? undefined : decodeSize(contents[0] ?? null);
}

function checkBlocks({ relation, fork, blocks, lsn }: PagesWanted, size: number | null): void {
  const name = `${relation.tablespaceOid}/${relation.databaseOid}/${relation.relationNumber} fork ${fork}`;
  if (size === null) throw new Refusal('UnknownRelation', `no relation ${name} at ${LsnOf.format(lsn)}`);
  const beyond = blocks.find((block) => block >= size);
  if (beyond !== undefined)
    throw new Refusal('BlockOutOfRange', `block ${beyond} of relation ${name}: ${size} blocks at ${LsnOf.format(lsn)}`);
}
