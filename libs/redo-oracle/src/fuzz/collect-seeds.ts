/**
 * Seeds for the fuzzer: what stock Postgres wrote while it ran the oracle's workload, as few and small records of each
 * type as tell its variants apart, each with the pages it found, and pieces of the WAL itself.
 *
 *   S1  Of each record type, block references and pattern of zero and other bytes in its main data, the seed with the
 *       emptiest pages is kept; of each type and block references a few.
 */
import type { Lsn } from '@neon/kernel';
import { PAGE_SIZE, Rmgr, WAL_PAGE_SIZE, describeRecord, encodeRecord, type WalRecord } from '@neon/postgres';
import type { PageStore } from '../page-store';
import { verifyRedo, type ReplayObserver, type VerifyRedoOptions } from '../verify-redo';
import { readWalBytes, type WalRange } from '../wal-files';
import type { FuzzInput, PageBeneath, RecordInput, StreamInput } from './input';

/** The major of which everything is kept; of the others, types of records that differ from its. */
const WHOLE_MAJOR = 17;
const VARIANTS_MAX = 2;
const VARYING =
  /^(Transaction|CLOG|MultiXact|RelMap|Standby|CommitTs|Heap2|Database)\/|^(XLOG\/(?!FPI)|Heap\/INPLACE|Btree\/(DELETE|REUSE)|Hash\/(VACUUM_ONE|SQUEEZE)|Gist\/(DELETE|PAGE_REUSE)|SPGist\/VACUUM_REDIRECT)/;

/** Bytes of main data whose being zero or not tells variants of a record apart. */
const PATTERN_SIZE = 12;
const STREAM_SIZE = 3 * WAL_PAGE_SIZE;
const STREAMS = 4;

export async function collectSeeds(options: Omit<VerifyRedoOptions, 'quick' | 'observer'>): Promise<FuzzInput[]> {
  const collection = new Collection();
  await verifyRedo({ ...options, quick: true, observer: collection });
  return [...collection.seeds()];
}

interface Candidate {
  readonly seed: RecordInput;
  readonly weight: number;
}

class Collection implements ReplayObserver {
  private readonly types = new Map<string, Map<string, Candidate>>();
  private readonly streams: StreamInput[] = [];
  /** Where streams are to begin: at ends of records, spread over the WAL. */
  private readonly boundaries: Lsn[] = [];
  private recordCount = 0;

  record(record: WalRecord, store: PageStore): void {
    const everyNth = 10 ** (this.boundaries.length + 1);
    if (++this.recordCount % everyNth === 0 && this.boundaries.length < STREAMS) this.boundaries.push(record.endLsn);
    const isWhole = record.major === WHOLE_MAJOR;
    const name = describeRecord(record);
    if (!isWhole && !VARYING.test(name)) return;
    const ids = record.blocks.map(({ id, image, willInit }) => `${id}${image?.apply ? 'i' : ''}${willInit ? 'n' : ''}`);
    const type = `${name} ${ids.join()}`;
    const variants = this.types.get(type) ?? new Map<string, Candidate>();
    this.types.set(type, variants);
    const pattern = patternOf(record);
    const best = variants.get(pattern);
    if (best === undefined && variants.size >= (isWhole ? VARIANTS_MAX : 1) * (record.rmid === Rmgr.GIN ? 3 : 1))
      return;
    const lengths = record.mainLength + record.blocks.reduce((sum, block) => sum + block.dataLength, 0);
    if (best !== undefined && best.weight <= lengths) return;
    const pages = pagesBeneath(record, store);
    const weight = lengths + pages.reduce((sum, { page }) => sum + page.filter((byte) => byte !== 0).length, 0);
    if (best === undefined || weight < best.weight) variants.set(pattern, { seed: seedOf(record, pages), weight });
  }

  cluster(dataDir: string, { segmentSize, major }: WalRange): void {
    for (const startLsn of this.boundaries.splice(0)) {
      if (this.streams.length === STREAMS) break;
      const bytes = readWalBytes(dataDir, { lsn: startLsn, segmentSize }, STREAM_SIZE);
      this.streams.push({ kind: 'stream', major, startLsn, segmentSize, bytes });
    }
  }

  *seeds(): Generator<FuzzInput> {
    for (const variants of this.types.values()) for (const { seed } of variants.values()) yield seed;
    yield* this.streams;
  }
}

/** GIN says in a block's data what is to be done. */
const ginAction = ({ rmid, bytes, blocks: [block] }: WalRecord): string =>
  rmid !== Rmgr.GIN || block === undefined ? '' : `${bytes[block.dataOffset + 2]} ${bytes[block.dataOffset + 3]} `;

const patternOf = (record: WalRecord): string => ginAction(record) + mainPattern(record);

const mainPattern = ({ bytes, mainOffset, mainLength }: WalRecord): string =>
  Array.from(bytes.subarray(mainOffset, mainOffset + Math.min(mainLength, PATTERN_SIZE)), (byte) =>
    byte === 0 ? '0' : 'x',
  ).join('');

function pagesBeneath(record: WalRecord, store: PageStore): PageBeneath[] {
  const pages: PageBeneath[] = [];
  for (const block of record.blocks) {
    if (block.willInit || block.image?.apply === true) continue;
    const page = store.page({ kind: 'relation', ...block });
    if (page !== undefined) pages.push({ blockId: block.id, page: withoutHole(page) });
  }
  return pages;
}

/** What lies between a page's bounds says nothing and compresses badly. */
function withoutHole(page: Uint8Array): Uint8Array {
  const copy = page.slice();
  const view = new DataView(copy.buffer);
  const [lower, upper] = [view.getUint16(12, true), view.getUint16(14, true)];
  if (lower >= 24 && lower <= upper && upper <= PAGE_SIZE) copy.fill(0, lower, upper);
  return copy;
}

/** The record without the images that are only there to be compared with. */
function seedOf(record: WalRecord, pages: readonly PageBeneath[]): RecordInput {
  const { major, lsn, endLsn, prevLsn, bytes, mainOffset, mainLength } = record;
  const blocks = record.blocks.map(({ image, dataOffset, dataLength, ...block }) => ({
    ...block,
    data: bytes.subarray(dataOffset, dataOffset + dataLength),
    ...(image?.apply === true && {
      image: { ...image, bytes: bytes.subarray(image.offset, image.offset + image.length) },
    }),
  }));
  const main = bytes.subarray(mainOffset, mainOffset + mainLength);
  const stripped = encodeRecord({ ...record, main, blocks }, { major, prevLsn });
  return { kind: 'record', major, lsn, endLsn, bytes: stripped, pages };
}
