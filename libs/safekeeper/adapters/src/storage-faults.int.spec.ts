/**
 * What a safekeeper has acknowledged, against a disk that fails or loses power at every single operation.
 *
 * @long
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lsn, Term } from '@neon/kernel';
import type { Timeline } from '@neon/safekeeper-core';
import { type DiskOperation, FaultyDisk, type OperationAt, ioError } from './testing/faulty-disk';
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
  makeWal,
  readAll,
  startSafekeeper,
  until,
} from './testing/one-acceptor';

const WAL = makeWal(START_LSN, 2_300_000);
const LAST = WAL.ends.at(-1) ?? START_LSN;
/** About as much as one append carries; appends end at ends of records. */
const STEP = 350_000;

/** What a safekeeper has told somebody. */
interface Told {
  flushLsn: Lsn;
  term: Term;
}

describe('a safekeeper on a disk that fails', () => {
  let machine: Machine;

  beforeEach(() => {
    machine = Machine.make('faults-');
  });
  afterEach(() => machine.remove());

  const note = (told: Told, leader: Leader): void => {
    for (const answer of leader.answers) {
      if (answer.kind === 'voteResponse' && answer.granted)
        told.term = answer.term > told.term ? answer.term : told.term;
      if (answer.kind === 'appendResponse') told.flushLsn = Lsn.max(told.flushLsn, answer.flushLsn);
    }
  };

  /** Elects, writes WAL over several segments, elects again, cuts and goes on: every path of the storage. */
  async function workload(timeline: Timeline, told: Told): Promise<void> {
    const first = await lead(timeline, timeline.state.term + 1);
    const half = WAL.ends[WAL.ends.length >> 1] ?? START_LSN;
    try {
      await write(first, { from: timeline.state.flushLsn, to: half });
    } finally {
      note(told, first);
    }
    const second = await lead(timeline, timeline.state.term + 1);
    try {
      await write(second, { from: timeline.state.flushLsn, to: LAST });
    } finally {
      note(told, second);
    }
  }

  async function write(leader: Leader, { from, to }: { from: Lsn; to: Lsn }): Promise<void> {
    let startLsn = from;
    while (startLsn < to) {
      const endLsn = WAL.ends.find((end) => end >= startLsn + STEP) ?? to;
      leader.append(startLsn, WAL.bytes.subarray(startLsn - START_LSN, endLsn - START_LSN), from);
      const wanted = endLsn;
      await leader.until(
        (answer) => answer.kind === 'sessionRefused' || (answer.kind === 'appendResponse' && answer.flushLsn >= wanted),
      );
      if (leader.answers.some((answer) => answer.kind === 'sessionRefused')) throw new Error('refused');
      startLsn = endLsn;
    }
  }

  async function requireTold(timeline: Timeline, told: Told): Promise<void> {
    expect(timeline.state.flushLsn).toBeGreaterThanOrEqual(told.flushLsn);
    expect(timeline.state.term).toBeGreaterThanOrEqual(told.term);
    if (told.flushLsn === START_LSN) return;
    // What the leader has confirmed: a leader of this one safekeeper takes all of it for committed.
    const wal = await readAll(timeline, START_LSN, timeline.state.flushLsn);
    expect(wal.equals(WAL.bytes.subarray(0, wal.length))).toBe(true);
  }

  /** The timeline, once it has come through the workload; a failure from before may end it once more. */
  async function worksOn(run: Started, told: Told): Promise<Timeline> {
    for (;;) {
      const timeline = await run.working();
      try {
        await requireTold(timeline, told);
        await workload(timeline, told);
        return timeline;
      } catch (error) {
        if (timeline.failed === undefined) throw error;
      }
    }
  }

  /** Indexes of the workload's operations, counted on a disk without faults; every `stride`th of each kind. */
  async function operations(kinds: readonly DiskOperation[]): Promise<OperationAt[]> {
    const seen: OperationAt[] = [];
    const started = await machine.start();
    const timeline = await createTimeline(started.safekeeper);
    const before = machine.disk.operationCount;
    machine.disk.fault = (at) => {
      if (kinds.includes(at.operation)) seen.push({ ...at, index: at.index - before });
      return undefined;
    };
    await workload(timeline, { flushLsn: START_LSN, term: Term.ZERO });
    return seen;
  }

  test.each<DiskOperation>(['open', 'write', 'truncate', 'sync', 'rename', 'syncDirectory'])(
    'whose %s fails acknowledges nothing that is lost, says so, and goes on by itself, at each place where it can fail',
    async (kind) => {
      const count = (await operations([kind])).length;
      expect(count).toBeGreaterThan(1);
      await machine.stop();
      for (let failing = 0; failing < count; failing++) {
        const directory = mkdtempSync(join(tmpdir(), 'faults-'));
        const failingDisk = new FaultyDisk(directory);
        const run = await startSafekeeper(directory, { disk: failingDisk });
        const told: Told = { flushLsn: START_LSN, term: Term.ZERO };
        let met = 0;
        const timeline = await createTimeline(run.safekeeper);
        failingDisk.fault = ({ operation }) => (operation === kind && met++ === failing ? ioError() : undefined);
        await Promise.race([workload(timeline, told), until(() => timeline.failed !== undefined)]).catch(
          () => undefined,
        );
        failingDisk.fault = () => undefined;
        // Some failures are of work done ahead: then nobody has to notice. Others are noticed only now.
        const again = await worksOn(run, told);
        expect(again.state.flushLsn).toBe(LAST);
        if (timeline.failed !== undefined) expect(run.failures).toEqual([expect.stringContaining('EIO')]);
        // And what the disk itself has got, should the power go now.
        for (const names of ['synced', 'latest'] as const) {
          const left = mkdtempSync(join(tmpdir(), 'left-'));
          failingDisk.crash(left, names);
          const after = await startSafekeeper(left);
          await requireTold(await after.working(), told);
          await after.safekeeper.close();
          rmSync(left, { recursive: true, force: true });
        }
        await run.safekeeper.close();
        rmSync(directory, { recursive: true, force: true });
      }
    },
  );

  test('that loses power at any operation has all that was acknowledged before', async () => {
    const seen = await operations(['open', 'write', 'truncate', 'sync', 'rename', 'syncDirectory', 'remove', 'read']);
    await machine.stop();
    expect(seen.length).toBeGreaterThan(50);
    const directory = mkdtempSync(join(tmpdir(), 'faults-'));
    const cutDisk = new FaultyDisk(directory);
    const run = await startSafekeeper(directory, { disk: cutDisk });
    const timeline = await createTimeline(run.safekeeper);
    const told: Told = { flushLsn: START_LSN, term: Term.ZERO };
    const lefts: { left: string; told: Told }[] = [];
    const leaders: Leader[] = [];
    cutDisk.fault = () => {
      for (const leader of leaders) note(told, leader);
      for (const names of ['synced', 'latest'] as const) {
        const left = mkdtempSync(join(tmpdir(), 'left-'));
        cutDisk.crash(left, names);
        lefts.push({ left, told: { ...told } });
      }
      return undefined;
    };
    const leaderOf = async (term: number): Promise<Leader> => {
      const leader = await lead(timeline, term);
      leaders.push(leader);
      return leader;
    };
    await write(await leaderOf(1), { from: START_LSN, to: WAL.ends[40] ?? START_LSN });
    await write(await leaderOf(2), { from: timeline.state.flushLsn, to: WAL.ends[300] ?? START_LSN });
    cutDisk.fault = () => undefined;
    for (const { left, told: then } of lefts) {
      // SF1, whenever the power goes.
      for (const { name, size } of segmentsIn(left)) expect([name, size]).toEqual([name, SEGMENT_SIZE]);
      const after = await startSafekeeper(left);
      await requireTold(await after.working(), then);
      await after.safekeeper.close();
      rmSync(left, { recursive: true, force: true });
    }
    expect(lefts.length).toBeGreaterThan(40);
    expect(lefts.some((left) => left.told.flushLsn > START_LSN)).toBe(true);
    await run.safekeeper.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('that lost the name of a control file has it again before anything is acknowledged by what it says (FD5)', async () => {
    const run = await machine.start();
    const timeline = await createTimeline(run.safekeeper);
    /** No more than a record, so that no other file appears beside, whose name would bring the others along. */
    const writeOne = async (leader: Leader, from: Lsn): Promise<void> => {
      const endLsn = WAL.ends.find((end) => end > from) ?? LAST;
      leader.append(from, WAL.bytes.subarray(from - START_LSN, endLsn - START_LSN));
      await leader.flushed(endLsn);
    };
    await writeOne(await lead(timeline), START_LSN);
    let syncs = 0;
    // The first one is of the vote, the second of the leader's history.
    machine.disk.fault = ({ operation }) => (operation === 'syncDirectory' && ++syncs === 2 ? ioError() : undefined);
    void lead(timeline, 2);
    await until(() => timeline.failed !== undefined);
    const again = await run.working();
    await writeOne(await lead(again, 2), again.state.flushLsn);
    const told = again.state.flushLsn;
    const left = mkdtempSync(join(tmpdir(), 'left-'));
    machine.disk.crash(left, 'synced');
    const after = await startSafekeeper(left);
    const { flushLsn, termHistory } = (await after.working()).state;
    expect([flushLsn, termHistory.map(({ term }) => term)]).toEqual([told, [0, 1, 2]]);
    await after.safekeeper.close();
    rmSync(left, { recursive: true, force: true });
  });

  test('that is full stops acknowledgements, says so, and is overcome when there is room again', async () => {
    const started = await machine.start();
    const leader = await lead(await createTimeline(started.safekeeper));
    // Neither made ahead nor when it is needed does the second segment find room.
    machine.disk.fault = ({ operation, path }) =>
      operation === 'write' && path.includes('000000010000000000000011') ? ioError('ENOSPC') : undefined;
    leader.append(START_LSN, WAL.bytes);
    await leader.until((answer) => answer.kind === 'sessionRefused' && answer.code === 'StorageUnavailable');
    expect(started.failures).toEqual([expect.stringContaining('ENOSPC')]);
    const told = leader.answers.map((answer) => (answer.kind === 'appendResponse' ? answer.flushLsn : Lsn.ZERO));
    machine.disk.fault = () => undefined;
    const timeline = await started.working();
    const from = timeline.state.flushLsn;
    expect(from).toBeGreaterThanOrEqual(Math.max(...told));
    await write(await lead(timeline, 2), { from, to: LAST });
    expect((await readAll(timeline, START_LSN, LAST)).equals(WAL.bytes)).toBe(true);
  });

  test('again and again says so once, and once more when it had worked in between (SK5)', async () => {
    const run = await machine.start();
    await createTimeline(run.safekeeper);
    /** One record that cannot be written, as a proposer would try again and again. */
    const fails = async (): Promise<void> => {
      const timeline = await run.working();
      const { flushLsn, term } = timeline.state;
      const leader = await lead(timeline, term + 1);
      machine.disk.fault = ({ operation }) => (operation === 'write' ? ioError() : undefined);
      const endLsn = WAL.ends.find((end) => end > flushLsn) ?? LAST;
      leader.append(flushLsn, WAL.bytes.subarray(flushLsn - START_LSN, endLsn - START_LSN));
      await leader.until((answer) => answer.kind === 'sessionRefused');
      machine.disk.fault = () => undefined;
    };
    for (let attempt = 0; attempt < 3; attempt++) await fails();
    expect(run.failures).toEqual(['disk failed: EIO: injected']);

    const timeline = await run.working();
    await write(await lead(timeline, timeline.state.term + 1), {
      from: timeline.state.flushLsn,
      to: WAL.ends[100] ?? LAST,
    });
    let attempts = 0;
    await fails();
    machine.disk.fault = ({ operation }) => (operation === 'readFile' && ++attempts > 0 ? ioError() : undefined);
    await until(() => attempts > 3);
    expect(run.failures.slice(1)).toEqual(['disk failed: EIO: injected', 'EIO: injected']);
    expect(run.safekeeper.failed).toEqual([{ ...KEY, reason: 'EIO: injected' }]);
    machine.disk.fault = () => undefined;
    await run.working();
    expect(run.safekeeper.failed).toEqual([]);
  });
});

function segmentsIn(root: string): { name: string; size: number }[] {
  const directory = directoryOf(root);
  const names = readdirSync(directory).filter((name) => /^[0-9A-F]{24}$/.test(name));
  return names.map((name) => ({ name, size: statSync(join(directory, name)).size }));
}
