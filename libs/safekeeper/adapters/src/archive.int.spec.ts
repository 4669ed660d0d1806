/** WAL in the archive: put there, trimmed here, read back; whatever fails, and whenever. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Corrupt, Lsn, SafekeeperId } from '@neon/kernel';
import { DirectoryObjectStore, ObjectKey } from '@neon/object-store';
import { READ_SIZE_MAX, type Timeline, type WalArchive } from '@neon/safekeeper-core';
import { ObjectWalArchive } from './object-wal-archive';
import { Machine } from './testing/machine';
import { ioError } from './testing/faulty-disk';
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
  until,
} from './testing/one-acceptor';
import { WatchedArchive, WatchedSettings } from './testing/watched-archive';
import { walDigest, walPiece } from './wal-ranges';

const WAL = makeWal(START_LSN, 4.5 * SEGMENT_SIZE);
const LAST = WAL.ends.at(-1) ?? START_LSN;
const SEGMENTS = `wal/${KEY.tenantId}/${KEY.timelineId}/segments/`;
const nameOf = (number: number): string => `00000001000000000000001${number}`;
const startOf = (number: number): Lsn => Lsn.of(START_LSN + number * SEGMENT_SIZE);
const PEER = SafekeeperId.of(8);

describe('the archive of a safekeeper', () => {
  let machine: Machine;
  let archive: WatchedArchive;
  let settings: WatchedSettings;

  beforeEach(() => {
    machine = Machine.make('archive-');
    archive = new WatchedArchive();
    settings = new WatchedSettings(archive);
  });
  afterEach(() => machine.remove());

  const start = (of: WalArchive = archive): Promise<Started> =>
    machine.start({ settings: { archive: of === archive ? settings : new WatchedSettings(of) } });

  const written = (timeline: Timeline): Promise<Leader> => leadThrough(timeline, WAL);

  async function trimmed(timeline: Timeline): Promise<void> {
    timeline.trimmer.remoteConsistent(LAST);
    await until(() => timeline.firstLsn === startOf(4) && machine.segments()[0] === nameOf(4));
  }

  test('has each whole committed segment, byte for byte, and the end of the log it has not', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await until(() => timeline.archivedLsn === startOf(4));
    expect(await archive.names()).toEqual([0, 1, 2, 3].map((number) => SEGMENTS + nameOf(number)));
    for (const number of [0, 1, 2, 3]) {
      const bytes = await archive.bytesOf(SEGMENTS + nameOf(number));
      expect(readFileSync(join(directoryOf(machine.root), nameOf(number))).equals(Buffer.from(bytes ?? []))).toBe(true);
    }
    expect(timeline.trimmer.horizon).toEqual({ lsn: START_LSN, heldBy: 'pageserver' });
  });

  test('gives a reader what was trimmed here, from the first byte on, across the border', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await trimmed(timeline);
    expect((await readAll(timeline, START_LSN, LAST)).equals(WAL.bytes)).toBe(true);
    const middleLsn = Lsn.of(startOf(2) - 1000);
    const piece = await timeline.read(middleLsn, LAST);
    expect(Buffer.from(piece).equals(WAL.bytes.subarray(middleLsn - START_LSN).subarray(0, piece.length))).toBe(true);
  });

  test.each([walPiece, walDigest])(
    'has nothing from before the start, and %p says where that is (WR3)',
    async (ask) => {
      const timeline = await createTimeline((await start()).safekeeper);
      await written(timeline);
      const asked = (startLsn: Lsn) => ask(timeline, { startLsn, endLsn: LAST });
      const refusal = { code: 'RangeNotHere', message: expect.stringContaining(`begins at ${Lsn.format(START_LSN)}`) };
      await expect(asked(Lsn.of(START_LSN - 1))).rejects.toMatchObject(refusal);
      await trimmed(timeline);
      await expect(asked(Lsn.of(START_LSN - 1))).rejects.toMatchObject(refusal);
      expect((await asked(START_LSN)).length).toBeGreaterThan(0);
    },
  );

  test('lets go of WAL here only when this safekeeper has seen it there, whatever others say', async () => {
    archive.fault = ({ operation }) => (operation === 'put' ? 'before' : undefined);
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    timeline.trimmer.remoteConsistent(LAST);
    timeline.archive?.heard({ safekeeperId: PEER, commitLsn: LAST, archivedLsn: LAST, isArchiving: true });
    await until(() => archive.count('put') > 2);
    expect(timeline.trimmer.horizon).toEqual({ lsn: START_LSN, heldBy: 'archive' });
    expect(machine.segments()[0]).toBe(nameOf(0));
    expect(settings.errors[0]).toMatch(/injected/);
    archive.fault = () => undefined;
    await until(() => timeline.firstLsn === startOf(4));
    expect((await readAll(timeline, START_LSN, LAST)).equals(WAL.bytes)).toBe(true);
  });

  test('is asked again after a restart, and nothing is put twice', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await until(() => timeline.archivedLsn === startOf(4));
    expect(archive.count('put')).toBe(4);
    await machine.stop();
    archive.requests.length = 0;
    const again = await (await start()).working();
    await until(() => again.archivedLsn === startOf(4));
    expect([archive.count('put'), archive.count('sizeOf')]).toEqual([0, 4]);
    await trimmed(again);
  });

  describe('with another safekeeper that puts', () => {
    const hear = (timeline: Timeline, archivedLsn: Lsn): void =>
      timeline.archive?.heard({ safekeeperId: PEER, commitLsn: LAST, archivedLsn, isArchiving: true });

    /** Has heard of the other one before there is anything to put. */
    async function following(): Promise<Timeline> {
      const timeline = await createTimeline((await start()).safekeeper);
      hear(timeline, START_LSN);
      await written(timeline);
      return timeline;
    }

    async function putByPeer(number: number): Promise<void> {
      const bytes = readFileSync(join(directoryOf(machine.root), nameOf(number)));
      await archive.objects.put(ObjectKey.parse(SEGMENTS + nameOf(number)), bytes);
    }

    test('waits for it, and believes what it sees', async () => {
      const timeline = await following();
      await until(() => archive.count('sizeOf') > 2);
      expect(archive.count('put')).toBe(0);
      await putByPeer(0);
      await putByPeer(1);
      hear(timeline, startOf(2));
      await until(() => timeline.archivedLsn === startOf(2));
      await sleep(50);
      expect(archive.count('put')).toBe(0);
    });

    test('puts what it says is there and is not', async () => {
      const timeline = await following();
      await putByPeer(0);
      hear(timeline, startOf(2));
      await until(() => timeline.archivedLsn === startOf(2));
      expect(settings.damages).toEqual([`${SEGMENTS}${nameOf(1)} is missing in the archive`]);
      expect(archive.count('put')).toBe(1);
    });

    test('takes nothing for missing that was put while it looked', async () => {
      const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
      let hasLooked = false;
      archive.delay = ({ operation }) => {
        hasLooked ||= operation === 'sizeOf';
        return answered;
      };
      const timeline = await following();
      await until(() => hasLooked);
      await putByPeer(0);
      hear(timeline, startOf(1));
      answer();
      await until(() => timeline.archivedLsn === startOf(1));
      expect([settings.damages, archive.count('put')]).toEqual([[], 0]);
    });

    test('puts itself when nobody does for long (TA3)', async () => {
      const timeline = await following();
      await until(() => archive.count('sizeOf') > 0);
      for (let count = 0; count < 13; count++) {
        settings.forward(5_000);
        hear(timeline, START_LSN);
        await sleep(30);
      }
      await until(() => timeline.archivedLsn === startOf(4));
    });

    test('takes over when it is silent (LE3)', async () => {
      const timeline = await following();
      await until(() => archive.count('sizeOf') > 0);
      settings.forward(16_000);
      await until(() => timeline.archivedLsn === startOf(4));
      expect(timeline.archive?.leads()).toBe(true);
    });
  });

  test('puts a whole segment in place of an object of another size, and says so (TA4)', async () => {
    await archive.objects.put(ObjectKey.parse(SEGMENTS + nameOf(1)), WAL.bytes.subarray(0, 1000));
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await until(() => timeline.archivedLsn === startOf(4));
    expect(settings.damages).toEqual([`${SEGMENTS}${nameOf(1)} has 1000 bytes in the archive, not ${SEGMENT_SIZE}`]);
    await trimmed(timeline);
    expect((await readAll(timeline, START_LSN, LAST)).equals(WAL.bytes)).toBe(true);
  });

  test.each([SEGMENT_SIZE + 3 * 8192 + 8, SEGMENT_SIZE + 500_001])(
    'never gets what the disk has damaged, at %i (TA2)',
    async (offset) => {
      archive.fault = ({ operation }) => (operation === 'put' ? 'before' : undefined);
      const timeline = await createTimeline((await start()).safekeeper);
      await written(timeline);
      const path = join(directoryOf(machine.root), nameOf(1));
      const bytes = readFileSync(path);
      bytes[offset - SEGMENT_SIZE]! ^= 1;
      writeFileSync(path, bytes);
      archive.fault = () => undefined;
      await until(() => settings.errors.some((error) => error.startsWith('not WAL')));
      expect(timeline.archivedLsn).toBe(startOf(1));
      expect(await archive.names()).toEqual([SEGMENTS + nameOf(0)]);
    },
  );

  test('with an object that is missing, short, changed or misplaced is an error that names it (AW1)', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await trimmed(timeline);
    const key = ObjectKey.parse(SEGMENTS + nameOf(1));
    const good = (await archive.objects.get(key))?.bytes ?? new Uint8Array();
    const other = (await archive.objects.get(ObjectKey.parse(SEGMENTS + nameOf(2))))?.bytes ?? new Uint8Array();
    const refused = async (): Promise<void> => {
      await expect(timeline.read(startOf(1), LAST)).rejects.toThrow(Corrupt);
      await expect(timeline.read(startOf(1), LAST)).rejects.toThrow(key);
    };
    await archive.objects.delete(key);
    await refused();
    await archive.objects.put(key, good.subarray(0, SEGMENT_SIZE - 8192));
    await refused();
    await archive.objects.put(key, other);
    await refused();
    await archive.objects.put(key, good);
    archive.objects.damage(key, 77_777);
    await refused();
    await archive.objects.put(key, good);
    expect((await readAll(timeline, START_LSN, LAST)).equals(WAL.bytes)).toBe(true);
  });

  test('is read once for fifty readers (SC1), and once for each segment when they are far apart (SC3)', async () => {
    const timeline = await createTimeline((await start()).safekeeper);
    await written(timeline);
    await trimmed(timeline);
    archive.requests.length = 0;
    const all = await Promise.all(Array.from({ length: 50 }, () => readAll(timeline, START_LSN, LAST)));
    for (const wal of all) expect(wal.equals(WAL.bytes)).toBe(true);
    expect(archive.count('get')).toBe(4);
    expect(READ_SIZE_MAX).toBeLessThan(SEGMENT_SIZE);
  });

  test('in a directory gives everything from 0 to a fresh safekeeper process of the same disk, segments removed', async () => {
    const objects = mkdtempSync(join(tmpdir(), 'archive-objects-'));
    const store = new ObjectWalArchive(new DirectoryObjectStore(objects));
    const timeline = await createTimeline((await start(store)).safekeeper);
    await written(timeline);
    await trimmed(timeline);
    await machine.stop();
    const again = await (await start(store)).working();
    expect((await readAll(again, START_LSN, LAST)).equals(WAL.bytes)).toBe(true);
    rmSync(objects, { recursive: true });
  });

  describe('of a timeline that is deleted', () => {
    async function archivedTimeline(): Promise<Started> {
      const run = await start();
      const timeline = await createTimeline(run.safekeeper);
      await written(timeline);
      await until(() => timeline.archivedLsn === startOf(4));
      return run;
    }

    test('has nothing of it any more, and it may be deleted again', async () => {
      await archive.objects.put(ObjectKey.parse('wal/another/object'), WAL.bytes.subarray(0, 10));
      const { safekeeper } = await archivedTimeline();
      await safekeeper.delete(KEY);
      await until(() => archive.count('remove') === 1);
      await safekeeper.delete(KEY);
      await until(() => archive.count('list') === 2 && archive.held.size === 0);
      expect(await archive.names()).toEqual(['wal/another/object']);
      await until(() => readdirSync(join(machine.root, KEY.tenantId)).join() === `${KEY.timelineId}.deleted`);
    });

    test('keeps it where others go on with the timeline', async () => {
      const { safekeeper } = await archivedTimeline();
      await safekeeper.delete(KEY, { archive: 'kept' });
      await machine.stop();
      await start();
      await sleep(50);
      expect(await archive.names()).toHaveLength(4);
    });

    test('has nothing of it in the end, though it failed, and was deleted, while a segment was on its way there (SK6)', async () => {
      let arrive = (): void => undefined;
      const way = new Promise<void>((resolve) => (arrive = resolve));
      const put = archive.put.bind(archive);
      let startedCount = 0;
      archive.put = async (name, bytes) => {
        startedCount++;
        await way;
        await put(name, bytes);
      };
      const { safekeeper } = await start();
      const timeline = await createTimeline(safekeeper);
      await written(timeline);
      await until(() => startedCount > 0);
      machine.disk.fault = ({ operation }) => (operation === 'write' ? ioError() : undefined);
      void lead(timeline, 7);
      await until(() => timeline.failed !== undefined);
      machine.disk.fault = () => undefined;
      await safekeeper.delete(KEY);
      await sleep(50);
      arrive();
      await until(() => readdirSync(join(machine.root, KEY.tenantId)).join() === `${KEY.timelineId}.deleted`);
      await until(() => archive.count('put') === startedCount);
      await sleep(50);
      expect(await archive.names()).toEqual([]);
    });

    test('has nothing of it in the end, when it is away, and the safekeeper is killed meanwhile (SK6)', async () => {
      const { safekeeper } = await archivedTimeline();
      archive.fault = () => 'before';
      await safekeeper.delete(KEY);
      await sleep(50);
      expect(await archive.names()).toHaveLength(4);
      await machine.stop();
      archive.fault = () => undefined;
      await start();
      await until(() => archive.count('remove') > 0);
      expect(await archive.names()).toEqual([]);
      await until(() => readdirSync(join(machine.root, KEY.tenantId)).join() === `${KEY.timelineId}.deleted`);
    });
  });
});
