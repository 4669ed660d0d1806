/** The end of the log after a restart, with segment files cut and damaged at every sort of place (FD2). */
import {
  cpSync,
  mkdtempSync,
  openSync,
  closeSync,
  readSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lsn } from '@neon/kernel';
import type { Timeline } from '@neon/safekeeper-core';
import {
  SEGMENT_SIZE,
  START_LSN,
  createTimeline,
  directoryOf,
  lead,
  makeWal,
  readAll,
  startSafekeeper,
} from './testing/one-acceptor';

const PAGE_SIZE = 8192;
const WAL = makeWal(START_LSN, 2.5 * SEGMENT_SIZE);
const LAST = WAL.ends.at(-1) ?? START_LSN;
const SEGMENT_NAMES = ['000000010000000000000010', '000000010000000000000011', '000000010000000000000012'];

/** The last record that ends at or below `lsn`. */
const endBelow = (lsn: number): Lsn => WAL.ends.findLast((end) => end <= lsn) ?? START_LSN;

/** Places of interest around `lsn`'s record: in its header, in its data, at the pages and segments that it crosses. */
function placesOf(index: number): number[] {
  const start = WAL.starts[index] ?? START_LSN;
  const end = WAL.ends[index] ?? START_LSN;
  const places = [
    start,
    start + 1,
    start + 4,
    start + 8,
    start + 20,
    start + 23,
    start + 24,
    start + 30,
    end - 9,
    end - 8,
  ];
  for (let page = Math.ceil(start / PAGE_SIZE) * PAGE_SIZE; page < end; page += PAGE_SIZE)
    places.push(page - 1, page, page + 2, page + 8, page + 16, page + 19, page + 40);
  return places.filter((place) => place >= start && place < end);
}

/** A record within a page, one across pages, those across both borders of segments, the first and the last one. */
function recordsOfInterest(): number[] {
  const crosses = (size: number) => (start: Lsn, index: number) =>
    Math.floor(start / size) !== Math.floor(((WAL.ends[index] ?? start) - 1) / size);
  const crossingPages = WAL.starts.findIndex(crosses(PAGE_SIZE));
  const inOnePage = WAL.starts.findIndex((start, index) => index > 3 && !crosses(PAGE_SIZE)(start, index));
  const crossingSegments = WAL.starts.flatMap((start, index) => (crosses(SEGMENT_SIZE)(start, index) ? [index] : []));
  return [0, inOnePage, crossingPages, ...crossingSegments, WAL.starts.length - 1];
}

describe('the log after a restart', () => {
  let sound: string;
  let root: string;

  beforeAll(async () => {
    sound = mkdtempSync(join(tmpdir(), 'sound-'));
    const { safekeeper } = await startSafekeeper(sound);
    const leader = await lead(await createTimeline(safekeeper));
    leader.append(START_LSN, WAL.bytes);
    await leader.flushed(LAST);
    await safekeeper.close();
  });
  afterAll(() => rmSync(sound, { recursive: true, force: true }));

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'torn-'));
    cpSync(sound, root, { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const fileOf = (lsn: number): string => join(directoryOf(root), SEGMENT_NAMES[segmentOf(lsn)] ?? '');
  const segmentOf = (lsn: number): number => Math.floor((lsn - START_LSN) / SEGMENT_SIZE);

  function restore(): void {
    for (const name of readdirSync(directoryOf(sound)))
      cpSync(join(directoryOf(sound), name), join(directoryOf(root), name));
  }

  function patch(lsn: number, bytes: (before: Buffer) => Buffer, size = 1): void {
    const file = openSync(fileOf(lsn), 'r+');
    const before = Buffer.alloc(size);
    readSync(file, before, 0, size, lsn % SEGMENT_SIZE);
    writeSync(file, bytes(before), 0, size, lsn % SEGMENT_SIZE);
    closeSync(file);
  }

  /** It ends before the damage, is voted with, served and continued from there, and nothing that followed comes back. */
  async function requireEnd(endLsn: Lsn, { goOn = false } = {}): Promise<void> {
    const { safekeeper, working } = await startSafekeeper(root);
    const timeline = await working();
    expect(Lsn.format(timeline.state.flushLsn)).toBe(Lsn.format(endLsn));
    const leader = await lead(timeline, timeline.state.term + 1);
    const vote = leader.answers.find((answer) => answer.kind === 'voteResponse');
    expect(vote).toMatchObject({ granted: true, flushLsn: endLsn });
    await expectServed(timeline, endLsn);
    if (goOn) {
      const index = WAL.ends.indexOf(endLsn);
      const more = makeWal(endLsn, 5_000, { seed: 3, prevLsn: WAL.starts[index] ?? Lsn.of(START_LSN - 64) });
      leader.append(endLsn, more.bytes);
      await leader.flushed(more.ends.at(-1) ?? endLsn);
      await safekeeper.close();
      const again = await startSafekeeper(root);
      expect((await again.working()).state.flushLsn).toBe(more.ends.at(-1));
      return again.safekeeper.close();
    }
    return safekeeper.close();
  }

  async function expectServed(timeline: Timeline, endLsn: Lsn): Promise<void> {
    const { term } = timeline.state;
    expect(timeline.readableLsn(term)).toBe(endLsn);
    if (endLsn === START_LSN) return;
    const served = await readAll(timeline, START_LSN, endLsn);
    expect(served.equals(WAL.bytes.subarray(0, endLsn - START_LSN))).toBe(true);
  }

  test('of sound files is all of it', () => requireEnd(LAST, { goOn: true }));

  test('ends before a byte that was flipped, wherever it lies', async () => {
    for (const index of recordsOfInterest())
      for (const place of placesOf(index)) {
        restore();
        patch(place, (before) => Buffer.of((before[0] ?? 0) ^ 0x10));
        await requireEnd(endBelow(place));
      }
  });

  test('ends where the last file was cut, or before', async () => {
    for (const index of recordsOfInterest())
      for (const place of placesOf(index)) {
        restore();
        truncateSync(fileOf(place), place % SEGMENT_SIZE);
        await requireEnd(endBelow(place));
      }
  });

  test.each(['zeros', 'bytes of another time'])(
    'ends before %s in the middle, and goes on from there',
    async (what) => {
      for (const index of recordsOfInterest()) {
        restore();
        const place = (WAL.starts[index] ?? START_LSN) + 8;
        const size = Math.min(512, SEGMENT_SIZE - (place % SEGMENT_SIZE));
        // Of the length of a sector, which is what a torn write leaves; stale bytes are records of their own right.
        const stale = WAL.bytes.subarray(100_000, 100_000 + size);
        patch(place, () => (what === 'zeros' ? Buffer.alloc(size) : Buffer.from(stale)), size);
        await requireEnd(endBelow(place), { goOn: true });
      }
    },
  );

  test('ends before a file that is gone, with what follows left out', async () => {
    rmSync(join(directoryOf(root), SEGMENT_NAMES[1] ?? ''));
    await requireEnd(endBelow(START_LSN + SEGMENT_SIZE), { goOn: true });
  });

  test('begins again where it did when its last record was overwritten with a copy of an earlier segment', async () => {
    cpSync(join(directoryOf(root), SEGMENT_NAMES[0] ?? ''), join(directoryOf(root), SEGMENT_NAMES[2] ?? ''));
    await requireEnd(endBelow(START_LSN + 2 * SEGMENT_SIZE), { goOn: true });
  });

  test('never goes on into what followed a torn record, even where that would fit without a seam (FS1)', async () => {
    // In a segment whose blocks are allocated, so that no padding covers what follows.
    const index = WAL.starts.findIndex((start) => start > START_LSN + SEGMENT_SIZE + 100_000);
    const [startLsn, endLsn] = [WAL.ends[index - 1] ?? START_LSN, WAL.ends[index] ?? START_LSN];
    patch((WAL.starts[index] ?? START_LSN) + 20, (before) => Buffer.of((before[0] ?? 0) ^ 1));
    const { safekeeper, working } = await startSafekeeper(root);
    const timeline = await working();
    expect(timeline.state.flushLsn).toBe(startLsn);
    const leader = await lead(timeline, 2);
    // The very record that was there before.
    leader.append(startLsn, WAL.bytes.subarray(startLsn - START_LSN, endLsn - START_LSN));
    await leader.flushed(endLsn);
    await safekeeper.close();
    const again = await startSafekeeper(root);
    expect((await again.working()).state.flushLsn).toBe(endLsn);
    await again.safekeeper.close();
  });
});
