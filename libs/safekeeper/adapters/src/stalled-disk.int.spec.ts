/** A disk that takes its time: what waits for it is told to nobody, read by nobody, and waited for. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn, Term, TimelineId } from '@neon/kernel';
import type { Timeline } from '@neon/safekeeper-core';
import { TRIM_FILE } from './file-timeline-store';
import { FaultyDisk, type Stall, ioError } from './testing/faulty-disk';
import {
  GENERATION,
  IDENTITY,
  INCARNATION,
  KEY,
  Leader,
  type MadeWal,
  SEGMENT_SIZE,
  START_LSN,
  type Started,
  createTimeline,
  lead,
  makeWal,
  readAll,
  startSafekeeper,
  until,
} from './testing/one-acceptor';

const isSegment = (path: string): boolean => /[0-9A-F]{24}$/.test(path);
/** As long as what must not happen is given to happen. */
const WHILE_MS = 100;
const endOf = (wal: MadeWal): Lsn => wal.ends.at(-1) ?? START_LSN;

let roots: string[];
let started: Started[];
let disk: FaultyDisk;
let root: string;
let stall: Stall | undefined;

const makeRoot = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'stalled-'));
  roots.push(made);
  return made;
};
async function start(directory: string, on?: FaultyDisk): Promise<Started> {
  const run = await startSafekeeper(directory, { settings: { unarchived: 'trimmed' }, ...(on && { disk: on }) });
  started.push(run);
  return run;
}

beforeEach(() => {
  roots = [];
  started = [];
  root = makeRoot();
  disk = new FaultyDisk(root);
  stall = undefined;
});
afterEach(async () => {
  stall?.release();
  for (const { safekeeper } of started) await safekeeper.close();
  for (const made of roots) rmSync(made, { recursive: true, force: true });
});

describe('WAL that waits for the disk when a leader asks for a vote', () => {
  const wal = makeWal(START_LSN, 700_000);
  const end = endOf(wal);
  let timeline: Timeline;
  let leader: Leader;
  let durable: Buffer;

  beforeEach(async () => {
    timeline = await createTimeline((await start(root, disk)).safekeeper);
    leader = await lead(timeline, 1);
    leader.append(START_LSN, wal.bytes.subarray(0, 100_000));
    const durableLsn = wal.ends.filter((lsn) => lsn <= START_LSN + 100_000).at(-1) ?? START_LSN;
    await leader.flushed(durableLsn);
    durable = wal.bytes.subarray(0, durableLsn - START_LSN);
    stall = disk.stall(({ operation, path }) => operation === 'write' && isSegment(path));
    leader.append(Lsn.advance(START_LSN, 100_000), wal.bytes.subarray(100_000, 200_000));
    await stall.entered;
    leader.append(Lsn.advance(START_LSN, 200_000), wal.bytes.subarray(200_000));
  });

  it('is not read as committed before it is there, nor remembered as what was there before', async () => {
    leader.commit(end, START_LSN);
    leader.leave();
    const again = new Leader(timeline, 1);
    again.askVote();
    await sleep(WHILE_MS);
    const readable = timeline.readableLsn(undefined);
    expect(readable).toBeLessThanOrEqual(START_LSN + durable.length);
    if (readable > START_LSN)
      expect((await readAll(timeline, START_LSN, readable)).equals(wal.bytes.subarray(0, readable - START_LSN))).toBe(
        true,
      );
    stall?.release();
    await again.until(({ kind }) => kind === 'voteResponse');
    await until(() => timeline.readableLsn(undefined) === end);
    expect((await readAll(timeline, START_LSN, end)).equals(wal.bytes)).toBe(true);
  });

  it('is in no position that is told: a power cut would take it back', async () => {
    leader.leave();
    new Leader(timeline, 2).askVote();
    await sleep(WHILE_MS);
    const { flushLsn, term } = timeline.state;
    const left = makeRoot();
    disk.crash(left, 'synced');
    const after = (await (await start(left)).working()).state;
    expect(after.flushLsn).toBeGreaterThanOrEqual(flushLsn);
    expect(after.term).toBeGreaterThanOrEqual(term);
  });
});

it('a log that is being cut when its timeline fails is cut before the timeline is opened again', async () => {
  const run = await start(root, disk);
  let timeline = await createTimeline(run.safekeeper);
  const wal = makeWal(START_LSN, 2.5 * SEGMENT_SIZE);
  const cutAt = wal.ends.findIndex((lsn) => lsn > START_LSN + 2.2 * SEGMENT_SIZE);
  const cutLsn = wal.ends[cutAt] ?? START_LSN;
  const first = await lead(timeline, 1);
  first.append(START_LSN, wal.bytes);
  await first.flushed(endOf(wal));
  first.commit(cutLsn);
  timeline.save();
  await until(() => timeline.state.savedCommitLsn === cutLsn);
  const second = new Leader(timeline, 2);
  second.askVote();
  await second.until(({ kind }) => kind === 'voteResponse');
  stall = disk.stall(({ operation, path }) => operation === 'truncate' && isSegment(path));
  void second.elect(cutLsn);
  await stall.entered;

  // Segments that nobody needs any more are trimmed beside it, which fails.
  disk.fault = ({ operation, path }) =>
    operation === 'open' && path.includes(TRIM_FILE) ? ioError('ENOSPC') : undefined;
  timeline.pageserverHas({ receivedLsn: cutLsn, durableLsn: cutLsn });
  await until(() => run.failures.length === 1);
  disk.fault = () => undefined;
  const opening = run.working();
  const openedEarly = await Promise.race([opening.then(() => true), sleep(WHILE_MS).then(() => false)]);
  stall.release();
  timeline = await opening;
  const other = makeWal(cutLsn, 100_000, { seed: 5, prevLsn: wal.starts[cutAt] ?? START_LSN });
  const third = await lead(timeline, 3, cutLsn);
  third.append(cutLsn, other.bytes);
  await third.flushed(endOf(other));
  expect(openedEarly).toBe(false);
  await run.safekeeper.close();
  const { flushLsn } = (await (await start(root)).working()).state;
  expect(Lsn.format(flushLsn)).toBe(Lsn.format(endOf(other)));
});

it('what is read while a log is cut is not what is read there later', async () => {
  const timeline = await createTimeline((await start(root, disk)).safekeeper);
  const wal = makeWal(START_LSN, 2.5 * SEGMENT_SIZE);
  const cutLsn = wal.ends[3] ?? START_LSN;
  const first = await lead(timeline, 1);
  first.append(START_LSN, wal.bytes);
  await first.flushed(endOf(wal));
  const second = new Leader(timeline, 2);
  second.askVote();
  await second.until(({ kind }) => kind === 'voteResponse');
  const at = Lsn.advance(START_LSN, SEGMENT_SIZE + 1_000);
  stall = disk.stall(({ operation, path }) => operation === 'readdir' && path.endsWith(KEY.timelineId));
  const electing = second.elect(cutLsn);
  await stall.entered;
  await timeline.read(at, Lsn.advance(at, 1_000), Term.of(2));
  stall.release();
  await electing;
  const other = makeWal(cutLsn, 2.5 * SEGMENT_SIZE, { seed: 5, prevLsn: wal.starts[3] ?? START_LSN });
  second.append(cutLsn, other.bytes);
  await second.flushed(endOf(other));
  second.commit(endOf(other));
  await until(() => timeline.state.commitLsn === endOf(other));
  const found = await readAll(timeline, at, Lsn.advance(at, 1_000));
  expect(found.equals(other.bytes.subarray(at - cutLsn, at - cutLsn + 1_000))).toBe(true);
});

describe('the first timelines of a tenant (TD1)', () => {
  const isRootSync = ({ operation, path }: { operation: string; path: string }): boolean =>
    operation === 'open' && path === root;

  it('are not made before the name of the tenant lasts, though another one asked for it', async () => {
    const { safekeeper } = await start(root, disk);
    stall = disk.stall(isRootSync);
    const first = createTimeline(safekeeper);
    await stall.entered;
    const identity = { ...IDENTITY, timelineId: TimelineId.parse('ef'.repeat(16)) };
    const second = safekeeper.create({
      identity,
      membershipGeneration: GENERATION,
      startLsn: START_LSN,
      incarnation: INCARNATION,
    });
    const madeEarly = await Promise.race([second.then(() => true), sleep(WHILE_MS).then(() => false)]);
    expect(madeEarly).toBe(false);
    stall.release();
    await Promise.all([first, second]);
    const left = makeRoot();
    disk.crash(left, 'synced');
    expect(readdirSync(join(left, KEY.tenantId)).sort()).toEqual([KEY.timelineId, identity.timelineId].sort());
  });

  it.each(['sync', 'sync and removal'])('outlive a power cut when the first attempt failed (TD2): %s', async (what) => {
    const { safekeeper } = await start(root, disk);
    const tenant = join(root, KEY.tenantId);
    const failed = new Set<string>();
    disk.fault = ({ operation, path }) => {
      const isOurs =
        (operation === 'syncDirectory' && path === root) ||
        (what !== 'sync' && operation === 'remove' && path === tenant);
      if (!isOurs || failed.has(operation)) return undefined;
      failed.add(operation);
      return ioError();
    };
    await expect(createTimeline(safekeeper)).rejects.toThrow();
    await createTimeline(safekeeper);
    const left = makeRoot();
    disk.crash(left, 'synced');
    expect(readdirSync(join(left, KEY.tenantId))).toEqual([KEY.timelineId]);
  });
});
