/** V1 to V5 of `violation`, for one record: parsed, told as changes, redone on pages. */
import { zstdDecompressSync } from 'node:zlib';
import {
  PAGE_SIZE,
  applyDelta,
  changesOf,
  describeRecord,
  pageIsNew,
  pageIsSane,
  parseRecord,
  redoBlock,
  redoRecord,
  trackCheckpoint,
  type BlockReference,
  type Change,
  type ImageCodecs,
  type PageDelta,
  type PageId,
  type RedoStore,
  type WalRecord,
} from '@neon/postgres';
import { guardedBytes, type Range } from './guarded-bytes';
import type { DeltaInput, RecordInput } from './input';
import { SEED_CHECKPOINT } from './seed-checkpoint';
import { attempt, poisoned, require, sameBytes, type Outcome } from './violation';

const CODECS: ImageCodecs = {
  zstd: (compressed, size) => new Uint8Array(zstdDecompressSync(compressed, { maxOutputLength: size })),
};
const SETTINGS = { ...CODECS, walLogHints: true, trackCommitTimestamp: true };

export function checkRecord(input: RecordInput): void {
  const before = input.bytes.slice();
  const parsed = attempt('parseRecord', () => parseRecord(input.bytes, input));
  const elsewhere = attempt('parseRecord', () => parseRecord(poisoned(input.bytes, 0xff), input));
  require(describe(parsed) === describe(elsewhere), () => 'V2: parseRecord depends on what lies around the record');
  if (parsed.kind === 'error') return;
  const record = parsed.value;
  checkPlaces(record);
  describeRecord(record);
  attempt('trackCheckpoint', () => trackCheckpoint(SEED_CHECKPOINT, record));
  checkChanges(input, record);
  require(sameBytes(before, input.bytes), () => 'V2: the record was written to');
}

const describe = (outcome: Outcome<WalRecord>): string =>
  outcome.kind === 'error' ? outcome.error : JSON.stringify({ ...outcome.value, bytes: null });

/** V3: parts lie within the record, in order and apart from each other. */
function checkPlaces({ bytes, blocks, mainOffset, mainLength }: WalRecord): void {
  let at = 0;
  const place = (offset: number, length: number): void => {
    require(offset >= at && length >= 0 && offset + length <= bytes.length, () => `V3: ${length} bytes at ${offset}`);
    at = offset + length;
  };
  for (const { image, dataOffset, dataLength } of blocks) {
    if (image !== null) place(image.offset, image.length);
    place(dataOffset, dataLength);
  }
  place(mainOffset, mainLength);
  require(mainOffset + mainLength === bytes.length, () => 'V3: main data do not end the record');
}

const main = ({ mainOffset, mainLength }: WalRecord): Range => ({ start: mainOffset, end: mainOffset + mainLength });
const data = ({ dataOffset, dataLength }: BlockReference): Range => ({
  start: dataOffset,
  end: dataOffset + dataLength,
});

function checkChanges(input: RecordInput, record: WalRecord): void {
  const changes = attempt('changesOf', () => changesOf(record, SETTINGS));
  if (record.blocks.length === 0) {
    const guarded = { ...record, bytes: guardedBytes(record.bytes, [main(record)]) };
    const again = attempt('changesOf, guarded', () => changesOf(guarded, SETTINGS));
    require(show(changes) === show(again), () => `V2: ${show(changes)}, then ${show(again)}`);
  }
  const named: Outcome<Uint8Array>[] = [];
  if (changes.kind === 'error') {
    named.push(changes);
  } else {
    for (const change of changes.value) {
      if (change.kind === 'page-image') named.push({ kind: 'value', value: change.image });
      if (change.kind === 'page-delta') checkPageDelta(input, record, { change, named });
    }
  }
  checkAtOnce(input, record, named);
}

const pageBeneath = ({ pages }: RecordInput, id: number): Uint8Array =>
  pages.find(({ blockId }) => blockId === id)?.page ?? new Uint8Array(PAGE_SIZE);

/** V2: redo without deltas comes to the same pages, or to an error when one of them does. */
function checkAtOnce(input: RecordInput, record: WalRecord, named: readonly Outcome<Uint8Array>[]): void {
  const pages: Uint8Array[] = [];
  const store: RedoStore = {
    pageOf(block) {
      const page = poisoned(pageBeneath(input, block.id), 0xee);
      pages.push(page);
      return page;
    },
    apply: () => undefined,
  };
  const atOnce = attempt('redoRecord', () => redoRecord(record, store, SETTINGS));
  const failed = named.find(({ kind }) => kind === 'error');
  require((failed === undefined) === (atOnce.kind === 'value'), () =>
    `V2: redoRecord: ${atOnce.kind}, by deltas: ${failed === undefined ? 'value' : label(failed)}`);
  if (failed !== undefined) return;
  const same = pages.length === named.length && named.every((outcome, i) => isPage(outcome, pages[i]));
  require(same, () => `V2: redoRecord of ${describeRecord(record)} comes to other pages than its deltas`);
}

const isPage = (outcome: Outcome<Uint8Array>, page: Uint8Array | undefined): boolean =>
  outcome.kind === 'value' && page !== undefined && sameBytes(outcome.value, page);

const show = (outcome: Outcome<readonly Change[]>): string =>
  outcome.kind === 'error' ? outcome.error : JSON.stringify(outcome.value, asText);

function asText(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'bigint' ? value.toString() : value;
}

const RECORD_DELTA = 1;

interface NamedPages {
  readonly change: PageDelta;
  /** What became of each page that the record names, in order. */
  readonly named: Outcome<Uint8Array>[];
}

function checkPageDelta(input: RecordInput, record: WalRecord, { change, named }: NamedPages): void {
  const block = change.delta[0] === RECORD_DELTA ? record.blocks.find(({ id }) => id === change.delta[2]) : undefined;
  const page = block === undefined || change.willInit ? new Uint8Array(PAGE_SIZE) : pageBeneath(input, block.id);
  const applied = apply(input, page, change.delta, change);
  if (block === undefined) {
    require(applied.kind === 'value', () =>
      `V5: ${describeRecord(record)}: ${String(applied.kind === 'error' && applied.error)}`);
    return;
  }
  named.push(applied);
  checkRedo(input, { record, block, page, applied });
}

/** V2, V4: a delta applied twice, with other bytes around it. */
function apply(
  { endLsn, major }: Pick<RecordInput, 'endLsn' | 'major'>,
  page: Uint8Array,
  delta: Uint8Array,
  change: Pick<PageDelta, 'page'>,
): Outcome<Uint8Array> {
  const run = (bytes: Uint8Array): Outcome<Uint8Array> =>
    attempt('applyDelta', () => {
      const result = poisoned(page, 0xee);
      applyDelta(result, bytes, { ...CODECS, page: change.page, endLsn, major });
      return result;
    });
  const before = delta.slice();
  const [first, second] = [run(poisoned(delta, 0xff)), run(poisoned(delta, 0x00))];
  require(sameOutcome(first, second), () => `V2: applyDelta: ${label(first)}, then ${label(second)}`);
  require(sameBytes(before, delta), () => 'V2: applyDelta wrote to the delta');
  const isSlru = change.page.kind === 'slru';
  if (first.kind === 'value' && !isSlru && (pageIsNew(page) || pageIsSane(page)))
    require(pageIsSane(first.value), () => 'V4: redo left a page that Postgres would not read');
  return first;
}

const sameOutcome = (a: Outcome<Uint8Array>, b: Outcome<Uint8Array>): boolean =>
  a.kind === 'error' || b.kind === 'error' ? label(a) === label(b) : sameBytes(a.value, b.value);

const label = (outcome: Outcome<Uint8Array>): string => (outcome.kind === 'error' ? outcome.error : 'a page');

interface Redo {
  readonly record: WalRecord;
  readonly block: BlockReference;
  readonly page: Uint8Array;
  readonly applied: Outcome<Uint8Array>;
}

/** V3: the same redo on guarded bytes; of the record, it may read main data and the block's own. */
function checkRedo({ endLsn }: RecordInput, { record, block, page, applied }: Redo): void {
  if (block.image !== null && block.image.apply) return;
  const target = page.slice();
  const guarded = { ...record, bytes: guardedBytes(record.bytes, [main(record), data(block)]) };
  const context = { record: guarded, block, endLsn, walLogHints: SETTINGS.walLogHints };
  const outcome = attempt(`redo of ${describeRecord(record)} block ${block.id}`, () => {
    redoBlock(context, guardedBytes(target, [{ start: 0, end: PAGE_SIZE }]));
    return target;
  });
  const sameKind = outcome.kind === applied.kind && (outcome.kind === 'error' || sameOutcome(outcome, applied));
  require(sameKind, () =>
    `V2: ${describeRecord(record)}: ${label(outcome)} from the record, ${label(applied)} from its delta`);
}

/** Kinds of deltas from this one on are of SLRU pages, which have no header. */
const FIRST_SLRU_DELTA = 5;

export function checkDelta(input: DeltaInput): void {
  const relation = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384 };
  const page: PageId =
    (input.bytes[0] ?? 0) < FIRST_SLRU_DELTA
      ? { kind: 'relation', relation, fork: 0, block: 0 }
      : { kind: 'slru', slru: 'xact', page: 0 };
  apply(input, input.page, input.bytes, { page });
}
