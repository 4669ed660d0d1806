/** Timelines that are idle: their WAL is in the archive alone, and comes back; whatever fails, and whenever. */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Membership } from '@neon/consensus';
import { Lsn, SafekeeperId, Unavailable } from '@neon/kernel';
import { ObjectKey } from '@neon/object-store';
import type { Timeline } from '@neon/safekeeper-core';
import { ioError } from './testing/faulty-disk';
import { Machine } from './testing/machine';
import {
  INCARNATION,
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
import { WatchedArchive, WatchedSettings } from './testing/watched-archive';

const WAL = makeWal(START_LSN, 1.5 * SEGMENT_SIZE);
const LAST = WAL.ends.at(-1) ?? START_LSN;
const MORE = makeWal(LAST, 1_000_000, { prevLsn: WAL.starts.at(-1) ?? LAST, seed: 2 });
const MORE_LAST = MORE.ends.at(-1) ?? LAST;
const IDLE_MS = 3_600_000;
const TAIL = `wal/${KEY.tenantId}/${KEY.timelineId}/tails/000000010000000000000011_1_${LAST.toString(16).toUpperCase().padStart(16, '0')}_sk7`;

interface Cut {
  readonly left: string;
  readonly objects: ReadonlyMap<string, Uint8Array>;
}

describe('a timeline that nobody uses', () => {
  let machine: Machine;
  let archive: WatchedArchive;
  let settings: WatchedSettings;

  beforeEach(() => {
    machine = Machine.make('offload-');
    archive = new WatchedArchive();
    settings = new WatchedSettings(archive, IDLE_MS);
  });
  afterEach(() => machine.remove());

  const start = (): Promise<Started> => machine.start({ settings: { archive: settings } });
  async function restart(): Promise<Timeline> {
    await machine.stop();
    return (await start()).working();
  }

  const files = (): string[] => readdirSync(directoryOf(machine.root)).sort();

  async function written(timeline: Timeline): Promise<void> {
    (await leadThrough(timeline, WAL)).leave();
  }

  /** Its time has come. */
  function forward(timeline: Timeline): void {
    settings.forward(IDLE_MS);
    timeline.archive?.considerOffload();
  }

  async function offloaded(timeline: Timeline): Promise<void> {
    await until(() => timeline.archivedLsn !== null && timeline.archivedLsn > START_LSN);
    settings.forward(IDLE_MS);
    await until(() => {
      timeline.archive?.considerOffload();
      return timeline.isOffloaded && files().length === 2 && settings.moves.length > 0;
    });
  }

  async function idle(): Promise<Timeline> {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await offloaded(timeline);
    return timeline;
  }

  /** It votes, takes WAL, commits it. */
  async function goesOn(timeline: Timeline, startLsn = LAST): Promise<void> {
    const leader = await lead(timeline, timeline.state.term + 1);
    expect(timeline.state.flushLsn).toBe(startLsn);
    leader.append(LAST, MORE.bytes);
    await leader.flushed(MORE_LAST);
    leader.commit(MORE_LAST);
    await until(() => timeline.state.commitLsn === MORE_LAST);
    leader.leave();
  }

  const hasTails = (): boolean => [...archive.held.keys()].some((name) => name.includes('tails'));

  const everything = async (timeline: Timeline): Promise<boolean> =>
    (await readAll(timeline, START_LSN, LAST)).equals(WAL.bytes);

  test('has its WAL in the archive alone, and keeps a control file and a trim point', async () => {
    const timeline = await idle();
    expect(files()).toEqual(['safekeeper.control', 'safekeeper.trim']);
    expect(await archive.names()).toContain(TAIL);
    expect(timeline.keptBytes).toBe(0);
    expect(timeline.state.flushLsn).toBe(LAST);
    const again = await restart();
    expect([again.isOffloaded, again.state.flushLsn, again.keptBytes]).toEqual([true, LAST, 0]);
    expect(files()).toEqual(['safekeeper.control', 'safekeeper.trim']);
  });

  test.each(['at once', 'after a restart'])(
    'comes back for a proposer %s, and its tail is removed (RS4)',
    async (when) => {
      const timeline = when === 'at once' ? await idle() : (await idle(), await restart());
      await goesOn(timeline);
      expect(timeline.isOffloaded).toBe(false);
      await until(() => !hasTails());
      expect((await archive.names()).filter((name) => name.includes('tails'))).toEqual([]);
      expect(await everything(timeline)).toBe(true);
      expect(await everything(await restart())).toBe(true);
    },
  );

  const OTHERS = [{ safekeeperId: SafekeeperId.of(8), incarnation: 'another disk' }];
  const REMOVAL = { incarnation: INCARNATION, membership: Membership.settled(3, OTHERS) };
  const remove = (run: Started): Promise<void> => run.safekeeper.remove(KEY, REMOVAL);

  test('leaves nothing of its own in the archive when it is removed here, and all that is not its own (SK7)', async () => {
    await idle();
    await archive.put(TAIL.replace('_sk7', '_sk8'), Buffer.from('of another safekeeper'));
    const names = await archive.names();
    expect([names.length, names.includes(TAIL)]).toEqual([3, true]);
    await restart();
    const run = machine.running;
    archive.delay = ({ operation }) =>
      operation === 'list' ? Promise.reject(new Unavailable('the archive is away')) : Promise.resolve();
    await expect(remove(run)).rejects.toThrow('the archive is away');
    expect(await everything(await machine.working())).toBe(true);
    archive.delay = () => Promise.resolve();
    await remove(run);
    expect(await archive.names()).toEqual(names.filter((name) => name !== TAIL));
    expect(existsSync(directoryOf(machine.root))).toBe(false);
  });

  test('has its tail removed when it comes back while the archive still lists what earlier absences left (RS4)', async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    archive.delay = ({ operation }) => (operation === 'list' ? answered : Promise.resolve());
    const timeline = await idle();
    await until(() => archive.count('list') === 1);
    await goesOn(timeline);
    expect(hasTails()).toBe(true);
    answer();
    await until(() => !hasTails());
  });

  test.each(['at once', 'after a restart'])('comes back for a reader %s', async (when) => {
    const timeline = when === 'at once' ? await idle() : (await idle(), await restart());
    const all = await Promise.all([everything(timeline), everything(timeline)]);
    expect(all).toEqual([true, true]);
    expect(timeline.isOffloaded).toBe(false);
    expect(archive.requests.filter(({ operation, name }) => operation === 'get' && name === TAIL)).toHaveLength(1);
  });

  test('goes again, with another tail, and one tail is left', async () => {
    const timeline = await idle();
    await goesOn(timeline);
    timeline.save();
    await until(() => timeline.archivedLsn === START_LSN + 2 * SEGMENT_SIZE);
    settings.moves.length = 0;
    await offloaded(timeline);
    const tails = (): string[] => [...archive.held.keys()].filter((name) => name.includes('tails'));
    await until(() => tails().length === 1);
    expect(tails()[0]).toContain(MORE_LAST.toString(16).toUpperCase());
    const again = await restart();
    const all = Buffer.concat([WAL.bytes, MORE.bytes]);
    expect((await readAll(again, START_LSN, MORE_LAST)).equals(all)).toBe(true);
  });

  test('stays while it is used, is not committed, or is not in the archive (RS1)', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    const stays = async (): Promise<void> => {
      forward(timeline);
      await sleep(30);
      expect(timeline.isOffloaded).toBe(false);
    };
    await stays();
    const leader = await lead(timeline);
    leader.append(START_LSN, WAL.bytes);
    await leader.flushed(LAST);
    await stays();
    leader.leave();
    await stays();
    archive.fault = ({ operation }) => (operation === 'put' ? 'before' : undefined);
    const next = await lead(timeline, 2);
    next.commit(LAST);
    await until(() => timeline.state.commitLsn === LAST);
    timeline.save();
    next.leave();
    await stays();
    archive.fault = () => undefined;
    await until(() => timeline.archivedLsn === START_LSN + SEGMENT_SIZE);
    let readerLsn = Lsn.of(LAST - 8);
    timeline.addReader(() => readerLsn);
    await stays();
    timeline.archive?.considerOffload();
    readerLsn = LAST;
    await offloaded(timeline);
  });

  test('that is used while its tail is put stays', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await until(() => timeline.archivedLsn === START_LSN + SEGMENT_SIZE);
    let leader: Promise<Leader> | undefined;
    archive.fault = ({ operation, name }) => {
      if (operation === 'put' && name === TAIL) leader = lead(timeline, 2);
      return undefined;
    };
    settings.forward(IDLE_MS);
    await until(() => {
      timeline.archive?.considerOffload();
      return leader !== undefined;
    });
    await leader;
    await until(() => archive.count('remove') > 0 && !hasTails());
    expect(timeline.isOffloaded).toBe(false);
    expect(await archive.names()).not.toContain(TAIL);
    expect(await everything(timeline)).toBe(true);
  });

  test('is whole when what allows a trim is heard in the middle of its leaving', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await until(() => timeline.archivedLsn === START_LSN + SEGMENT_SIZE);
    // The pageserver says what it has when the trim point is about to tell that all of it is in the archive.
    machine.disk.fault = ({ operation, path }) => {
      if (operation === 'rename' && path.endsWith('safekeeper.trim')) timeline.trimmer.remoteConsistent(LAST);
      return undefined;
    };
    await offloaded(timeline);
    await sleep(50);
    machine.disk.fault = () => undefined;
    await machine.stop();
    const { safekeeper, failures } = await start();
    expect(failures).toEqual([]);
    const again = safekeeper.get(KEY);
    expect([again.isOffloaded, again.state.flushLsn]).toEqual([true, LAST]);
    expect(await everything(again)).toBe(true);
    await goesOn(again);
  });

  test('is read from the archive in the middle of its leaving', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await until(() => timeline.archivedLsn === START_LSN + SEGMENT_SIZE);
    let reading: Promise<boolean> | undefined;
    machine.disk.fault = ({ operation }) => {
      if (operation === 'remove' && timeline.isOffloaded) reading ??= everything(timeline);
      return undefined;
    };
    settings.forward(IDLE_MS);
    await until(() => {
      timeline.archive?.considerOffload();
      return reading !== undefined;
    });
    expect(await reading).toBe(true);
    await goesOn(timeline);
  });

  test('whose archive is away refuses its proposers, and is never taken for an empty one (RS3)', async () => {
    await idle();
    const timeline = await restart();
    archive.fault = () => 'before';
    await expect(readAll(timeline, Lsn.of(LAST - 100), LAST)).rejects.toThrow(
      /in the archive, and cannot be had.*injected/,
    );
    const answers: string[] = [];
    const session = timeline.attach({
      send: (message) => void answers.push(message.kind),
      refuse: (code, reason) => void answers.push(`${code}: ${reason}`),
    });
    timeline.receive(session, { kind: 'voteRequest', membershipGeneration: 1, term: timeline.state.term });
    await until(() => answers.length > 0);
    expect(answers[0]).toMatch(/^StorageUnavailable: its WAL is in the archive, and cannot be had: .*injected/);
    archive.fault = () => undefined;
    await goesOn(await machine.working());
  });

  test('whose archive is no longer configured stays closed, and says so', async () => {
    await idle();
    await machine.stop();
    const { safekeeper, failures } = await machine.start();
    expect(() => safekeeper.get(KEY)).toThrow(
      'its WAL is in the archive alone, and this safekeeper has none configured',
    );
    expect(failures).toHaveLength(1);
    await safekeeper.close();
    expect(await everything(await restart())).toBe(true);
  });

  test.each(['missing', 'short', 'changed', 'of another timeline'])(
    'whose tail is %s says so, and answers nothing',
    async (what) => {
      await idle();
      const timeline = await restart();
      const key = ObjectKey.parse(TAIL);
      const good = (await archive.objects.get(key))?.bytes ?? new Uint8Array();
      if (what === 'missing') await archive.objects.delete(key);
      if (what === 'short') await archive.objects.put(key, good.subarray(0, good.length - 8192));
      if (what === 'changed') archive.objects.damage(key, 100);
      const stranger = makeWal(Lsn.of(START_LSN + SEGMENT_SIZE), good.length - 100, { seed: 9 }).bytes;
      if (what === 'of another timeline')
        await archive.objects.put(key, Buffer.concat([stranger, Buffer.alloc(good.length)]).subarray(0, good.length));
      await expect(readAll(timeline, Lsn.of(LAST - 100), LAST)).rejects.toThrow(/tails|checksum/);
      expect(timeline.isOffloaded).toBe(true);
      await archive.objects.put(key, good);
      expect(await everything(timeline)).toBe(true);
    },
  );

  /** What the disk and the archive hold at each operation of the disk while `run` runs: by a kill, and by a power cut. */
  async function cuts(run: () => Promise<void>): Promise<Cut[]> {
    const taken: Cut[] = [];
    machine.disk.fault = () => {
      const objects = new Map(archive.held);
      for (const how of ['killed', 'synced', 'latest'] as const) {
        const left = mkdtempSync(join(tmpdir(), 'left-'));
        taken.push({ left, objects });
        if (how === 'killed') cpSync(machine.root, left, { recursive: true });
        else machine.disk.crash(left, how);
      }
      return undefined;
    };
    await run();
    machine.disk.fault = () => undefined;
    return taken;
  }

  /** Each is a timeline with all of its WAL, here or there, that goes on. */
  async function allWhole(all: readonly Cut[]): Promise<Set<boolean>> {
    const seen = new Set<boolean>();
    for (const { left, objects } of all) {
      const watched = new WatchedArchive();
      for (const [name, bytes] of objects) await watched.put(name, bytes);
      const { safekeeper, working, failures } = await startSafekeeper(left, {
        settings: { archive: new WatchedSettings(watched, IDLE_MS) },
      });
      const timeline = await working();
      expect([timeline.state.flushLsn, timeline.state.commitLsn, failures]).toEqual([LAST, LAST, []]);
      seen.add(timeline.isOffloaded);
      expect(await everything(timeline)).toBe(true);
      await goesOn(timeline);
      expect(failures).toEqual([]);
      await safekeeper.close();
      rmSync(left, { recursive: true, force: true });
    }
    return seen;
  }

  test('is here or there, whenever the process is killed or the power goes while it leaves (RS2)', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await until(() => timeline.trimmer.isSettledAt(LAST));
    const all = await cuts(() => offloaded(timeline));
    expect(all.length).toBeGreaterThan(20);
    expect(await allWhole(all)).toEqual(new Set([false, true]));
  });

  test('is here or there, whenever the process is killed or the power goes while it comes back (RS3)', async () => {
    const timeline = await idle();
    const all = await cuts(async () => {
      expect(await everything(timeline)).toBe(true);
    });
    expect(all.length).toBeGreaterThan(20);
    expect(await allWhole(all)).toEqual(new Set([false, true]));
  });

  test.each(['write', 'sync', 'rename', 'syncDirectory', 'remove', 'truncate'] as const)(
    'is whole when the %s of its leaving or its return fails',
    async (operation) => {
      const run = await start();
      const timeline = await createTimeline(run.safekeeper);
      await written(timeline);
      await until(() => timeline.archivedLsn === START_LSN + SEGMENT_SIZE);
      await sleep(20);
      for (let round = 0; round < 2; round++) {
        machine.disk.fault = (at) => (at.operation === operation ? ioError() : undefined);
        const now = await run.working();
        settings.forward(IDLE_MS);
        now.archive?.considerOffload();
        await sleep(60);
        await now.read(Lsn.of(LAST - 100), LAST).catch(() => undefined);
        machine.disk.fault = () => undefined;
        const again = await run.working();
        expect(again.state.flushLsn).toBe(LAST);
        expect(await everything(again)).toBe(true);
        await until(() => again.archivedLsn === START_LSN + SEGMENT_SIZE);
      }
      await goesOn(await run.working());
    },
  );

  test.each(['before', 'after'] as const)(
    'is whole when any one request to the archive fails, %s it was done, from its first byte to its return',
    async (when) => {
      for (let index = 0, total = 1; index < total; index++) {
        archive = new WatchedArchive();
        settings = new WatchedSettings(archive, IDLE_MS);
        archive.fault = (at) => (at.index === index ? when : undefined);
        const run = await start();
        const timeline = await createTimeline(run.safekeeper);
        await written(timeline);
        timeline.trimmer.remoteConsistent(LAST);
        await until(() => timeline.firstLsn === START_LSN + SEGMENT_SIZE);
        settings.forward(IDLE_MS);
        await until(() => {
          timeline.archive?.considerOffload();
          return timeline.isOffloaded && files().length === 2;
        });
        const first = await everything(await run.working()).catch(() => 'refused');
        expect([true, 'refused']).toContain(first);
        expect(await everything(await run.working())).toBe(true);
        await until(() => !hasTails());
        await goesOn(await run.working());
        total = archive.requests.length;
        await machine.stop();
        rmSync(join(machine.root, KEY.tenantId), { recursive: true });
      }
    },
  );
});
