/** What is kept, for how long, and what happens when there is no room for more. */
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FULL } from '@neon/consensus';
import { Lsn } from '@neon/kernel';
import { READ_SIZE_MAX, type SafekeeperSettings, type Timeline } from '@neon/safekeeper-core';
import { ioError } from './testing/faulty-disk';
import { Machine } from './testing/machine';
import {
  KEY,
  type Leader,
  SEGMENT_SIZE,
  START_LSN,
  type Started,
  createTimeline,
  directoryOf,
  lead,
  leadThrough,
  makeWal,
  readAll,
  startSafekeeper,
  until,
} from './testing/one-acceptor';

const WAL = makeWal(START_LSN, 4.5 * SEGMENT_SIZE);
const LAST = WAL.ends.at(-1) ?? START_LSN;
const TRIMMED: SafekeeperSettings = { unarchived: 'trimmed' };

describe('WAL that nobody needs', () => {
  let machine: Machine;

  beforeEach(() => {
    machine = Machine.make('trim-');
  });
  afterEach(() => machine.remove());

  const start = (settings: SafekeeperSettings): Promise<Started> => machine.start({ settings });

  const startOf = (number: number): Lsn => Lsn.of(START_LSN + number * SEGMENT_SIZE);

  const written = (timeline: Timeline, truncateLsn = LAST): Promise<Leader> => leadThrough(timeline, WAL, truncateLsn);

  test('is removed in whole segments up to what the pageserver has, and a restart does not miss it', async () => {
    const run = await start(TRIMMED);
    const timeline = await createTimeline(run.safekeeper);
    await written(timeline);
    await sleep(50);
    expect(timeline.firstLsn).toBe(START_LSN);
    timeline.trimmer.remoteConsistent(Lsn.of(startOf(3) - 1));
    await until(() => !existsSync(join(directoryOf(machine.root), '000000010000000000000011')));
    expect(timeline.firstLsn).toBe(startOf(2));
    await until(() => timeline.keptBytes === LAST - startOf(2));
    expect(machine.segments()[0]).toBe('000000010000000000000012');
    await machine.stop();
    const again = await (await start(TRIMMED)).working();
    expect(again.firstLsn).toBe(startOf(2));
    expect((await readAll(again, startOf(2), LAST)).equals(WAL.bytes.subarray(2 * SEGMENT_SIZE))).toBe(true);
    expect(() => again.requireKept(Lsn.of(startOf(2) - 1))).toThrow(/WAL below 0\/1200000 was removed .* archive/);
    await expect(again.read(START_LSN, LAST)).rejects.toMatchObject({ code: 'WalTrimmed' });
  });

  test('stays without an archive by default', async () => {
    const timeline = await createTimeline((await start({})).safekeeper);
    await written(timeline);
    timeline.trimmer.remoteConsistent(LAST);
    expect(timeline.trimmer.horizon).toEqual({ lsn: START_LSN, heldBy: 'setting' });
    await sleep(50);
    expect(timeline.firstLsn).toBe(START_LSN);
  });

  /** After a restart: every safekeeper has the whole log. */
  async function written2(timeline: Timeline): Promise<void> {
    const leader = await lead(timeline, timeline.state.term + 1);
    leader.commit(LAST);
    await until(() => timeline.state.truncateLsn === LAST);
  }

  test('is kept for a safekeeper that lags, and for a reader that is connected', async () => {
    const timeline = await createTimeline((await start(TRIMMED)).safekeeper);
    const leader = await written(timeline, startOf(1));
    let readerLsn = startOf(2);
    const release = timeline.addReader(() => readerLsn);
    timeline.trimmer.remoteConsistent(LAST);
    await until(() => timeline.firstLsn === startOf(1));
    expect(timeline.trimmer.horizon.heldBy).toBe('peer');
    leader.commit(LAST);
    await until(() => timeline.state.truncateLsn === LAST);
    timeline.save();
    await until(() => timeline.firstLsn === startOf(2));
    expect(timeline.trimmer.horizon.heldBy).toBe('reader');
    readerLsn = startOf(3);
    timeline.save();
    await until(() => timeline.firstLsn === startOf(3));
    release();
    await until(() => timeline.firstLsn === startOf(4));
    await until(() => machine.segments().length <= 2);
  });

  test('is durably known to be trimmed before a file is gone, whenever the power goes (TS6)', async () => {
    const run = await start(TRIMMED);
    const timeline = await createTimeline(run.safekeeper);
    await written(timeline);
    const lefts: string[] = [];
    machine.disk.fault = () => {
      for (const names of ['synced', 'latest'] as const) {
        const left = mkdtempSync(join(tmpdir(), 'left-'));
        lefts.push(left);
        machine.disk.crash(left, names);
      }
      return undefined;
    };
    timeline.trimmer.remoteConsistent(LAST);
    await until(() => machine.segments()[0] === '000000010000000000000014');
    machine.disk.fault = () => undefined;
    expect(lefts.length).toBeGreaterThan(15);
    const seen = new Set<Lsn>();
    for (const left of lefts) {
      const { safekeeper, working } = await startSafekeeper(left);
      const after = await working();
      expect(after.state.flushLsn).toBe(LAST);
      seen.add(after.firstLsn);
      await readAll(after, after.firstLsn, LAST);
      await safekeeper.close();
      rmSync(left, { recursive: true, force: true });
    }
    expect([...seen]).toEqual([START_LSN, startOf(4)]);
  });

  test('that is missed without having been trimmed keeps the timeline closed (FD3)', async () => {
    const run = await start(TRIMMED);
    await written(await createTimeline(run.safekeeper));
    await sleep(50);
    await machine.stop();
    rmSync(join(directoryOf(machine.root), '000000010000000000000011'));
    const again = await start(TRIMMED);
    expect(() => again.safekeeper.get(KEY)).toThrow(/committed up to .*000000010000000000000011 is missing/);
  });

  test('a trim point that is damaged keeps the timeline closed (TP2)', async () => {
    const run = await start(TRIMMED);
    const timeline = await createTimeline(run.safekeeper);
    await written(timeline);
    timeline.trimmer.remoteConsistent(LAST);
    await until(() => machine.segments()[0] === '000000010000000000000014');
    await machine.stop();
    writeFileSync(join(directoryOf(machine.root), 'safekeeper.trim'), Buffer.alloc(18));
    const again = await start(TRIMMED);
    expect(() => again.safekeeper.get(KEY)).toThrow('not a trim point');
  });

  test.each(['write', 'sync', 'rename', 'syncDirectory', 'remove'] as const)(
    'stays readable, or is gone, when the %s of a trim fails, and goes later',
    async (operation) => {
      const run = await start(TRIMMED);
      const timeline = await createTimeline(run.safekeeper);
      await written(timeline);
      await sleep(50);
      machine.disk.fault = (at) => (at.operation === operation ? ioError() : undefined);
      timeline.trimmer.remoteConsistent(LAST);
      await until(() => timeline.failed !== undefined);
      expect(run.failures).toEqual([expect.stringContaining('EIO')]);
      machine.disk.fault = () => undefined;
      const again = await run.working();
      expect(again.state.flushLsn).toBe(LAST);
      await written2(again);
      again.trimmer.remoteConsistent(LAST);
      again.save();
      await until(() => machine.segments()[0] === '000000010000000000000014');
      await readAll(again, again.firstLsn, LAST);
    },
  );

  test('above a limit WAL waits and nothing of it acknowledged; a vote is given, and room lets it in (TL5)', async () => {
    const limits = { safekeeperBytesMax: Infinity, timelineBytesMax: 2 * SEGMENT_SIZE };
    const run = await start({ ...TRIMMED, limits });
    const timeline = await createTimeline(run.safekeeper);
    const leader = await lead(timeline);
    leader.append(START_LSN, WAL.bytes);
    await until(() => timeline.fullness === FULL && timeline.state.durableLsn >= START_LSN + 2 * SEGMENT_SIZE);
    await until(() => timeline.state.durableLsn === timeline.state.writeLsn);
    const { flushLsn } = timeline.state;
    expect(flushLsn - START_LSN).toBeGreaterThan(SEGMENT_SIZE);
    // No more than the append during which the limit was met.
    expect(timeline.state.writeLsn - START_LSN).toBeLessThan(2 * SEGMENT_SIZE + 100_001);
    expect(timeline.relief()).toBeUndefined();
    leader.answers.length = 0;
    leader.commit(flushLsn);
    await leader.until((answer) => answer.kind === 'appendResponse' && answer.commitLsn === flushLsn);
    expect(leader.answers.at(-1)).toMatchObject({ flushLsn, fullness: FULL });
    expect(await readAll(timeline, START_LSN, flushLsn)).toHaveLength(flushLsn - START_LSN);
    timeline.save();
    // The pageserver has caught up.
    timeline.trimmer.remoteConsistent(flushLsn);
    await until(() => timeline.firstLsn > START_LSN && timeline.state.flushLsn > flushLsn);
    expect(timeline.fullness).toBeGreaterThan(50);
    for (let reached = flushLsn; timeline.state.flushLsn < LAST; reached = timeline.state.flushLsn) {
      leader.commit(reached);
      await sleep(10);
      timeline.save();
      timeline.trimmer.remoteConsistent(reached);
    }
    expect(
      (await readAll(timeline, timeline.firstLsn, LAST)).equals(WAL.bytes.subarray(timeline.firstLsn - START_LSN)),
    ).toBe(true);
  });

  test.each(['leaves', 'asks for a vote', 'is deposed'])(
    'what waited is forgotten when its proposer %s (TL5)',
    async (what) => {
      const { safekeeper } = await start({});
      const timeline = await createTimeline(safekeeper);
      const leader = await lead(timeline);
      safekeeper.space.setDiskFullness(FULL);
      leader.append(START_LSN, WAL.bytes);
      if (what === 'leaves') leader.leave();
      if (what === 'asks for a vote') leader.askVote();
      if (what === 'is deposed') await lead(timeline, 2);
      safekeeper.space.setDiskFullness(0);
      await sleep(20);
      expect(timeline.state.writeLsn).toBe(START_LSN);
      const next = await lead(timeline, 3);
      next.append(START_LSN, WAL.bytes);
      await next.flushed(LAST);
    },
  );

  test('a disk without room parks the WAL of every timeline, until there is some', async () => {
    const run = await start({});
    const timeline = await createTimeline(run.safekeeper);
    const leader = await lead(timeline);
    run.safekeeper.space.setDiskFullness(FULL);
    leader.append(START_LSN, WAL.bytes);
    await sleep(50);
    expect(timeline.state.writeLsn).toBe(START_LSN);
    run.safekeeper.space.setDiskFullness(FULL - 1);
    await leader.flushed(LAST);
  });

  test('fifty readers of old WAL cost one read of the files, and less than that once it is in memory (CH1)', async () => {
    const timeline = await createTimeline((await start({})).safekeeper);
    await written(timeline);
    const size = LAST - START_LSN;
    machine.disk.readBytes = 0;
    const all = await Promise.all(Array.from({ length: 50 }, () => readAll(timeline, START_LSN, LAST)));
    for (const wal of all) expect(wal.equals(WAL.bytes)).toBe(true);
    expect(machine.disk.readBytes).toBeLessThan(size + 50 * READ_SIZE_MAX);
    expect(machine.disk.readBytes).toBeGreaterThanOrEqual(size);
  });

  test('fifty readers of the tail cost no read at all, and none of them makes an idle timeline keep it (TL6)', async () => {
    const timeline = await createTimeline((await start({})).safekeeper);
    for (let count = 0; count < 50; count++) timeline.addReader(() => LAST);
    const leader = await written(timeline);
    machine.disk.readBytes = 0;
    await Promise.all(Array.from({ length: 50 }, () => readAll(timeline, Lsn.of(LAST - 100_000), LAST)));
    expect(machine.disk.readBytes).toBe(0);
    timeline.save();
    timeline.save();
    await readAll(timeline, Lsn.of(LAST - 1_000), LAST);
    expect(machine.disk.readBytes).toBeGreaterThan(0);
    // And it works on.
    const more = makeWal(LAST, 1_000, { prevLsn: WAL.starts.at(-1) ?? LAST });
    leader.append(LAST, more.bytes);
    await leader.flushed(more.ends.at(-1) ?? LAST);
  });

  test('a store at rest holds no file open (FS3)', async () => {
    const timeline = await createTimeline((await start({})).safekeeper);
    await written(timeline);
    await readAll(timeline, START_LSN, LAST);
    const open = (): number =>
      readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).includes(directoryOf(machine.root))).length;
    expect(open()).toBeGreaterThan(0);
    timeline.save();
    timeline.save();
    await until(() => open() === 0);
  });
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
