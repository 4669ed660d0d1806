/** Timelines as names in a data directory: made, deleted and found again, wherever that is interrupted. */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { syncDirectory } from './durable-file';
import { FaultyDisk, ioError } from './testing/faulty-disk';
import {
  KEY,
  START_LSN,
  type Started,
  createTimeline,
  directoryOf,
  lead,
  makeWal,
  startSafekeeper,
} from './testing/one-acceptor';

const WAL = makeWal(START_LSN, 20_000);
const LAST = WAL.ends.at(-1) ?? START_LSN;
const TOMBSTONE = `${KEY.timelineId}.deleted`;

describe('the names of timelines', () => {
  const roots: string[] = [];
  const started: Started[] = [];
  let root: string;
  let disk: FaultyDisk;

  const makeRoot = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'names-'));
    roots.push(made);
    return made;
  };
  beforeEach(() => {
    root = makeRoot();
    disk = new FaultyDisk(root);
  });
  afterEach(async () => {
    disk.fault = () => undefined;
    for (const { safekeeper } of started.splice(0)) await safekeeper.close();
    for (const each of roots.splice(0)) rmSync(each, { recursive: true, force: true });
  });

  async function start(directory: string, onDisk?: FaultyDisk): Promise<Started> {
    const run = await startSafekeeper(directory, onDisk === undefined ? {} : { disk: onDisk });
    started.push(run);
    return run;
  }
  const namesIn = (directory: string): string[] => readdirSync(join(directory, KEY.tenantId));

  /** Something is acknowledged, the power goes, and it is there. */
  async function requireLasting(run: Started): Promise<void> {
    const leader = await lead(await run.working(), 5);
    leader.append(START_LSN, WAL.bytes);
    await leader.flushed(LAST);
    const left = makeRoot();
    disk.crash(left, 'synced');
    const after = await start(left);
    expect(await after.safekeeper.presence(KEY)).toBe('present');
    expect((await after.working()).state).toMatchObject({ term: 5, flushLsn: LAST });
  }

  test('a deleted one stays deleted, wherever its deletion was interrupted, and nothing is left of it (FD4)', async () => {
    const run = await start(root, disk);
    await createTimeline(run.safekeeper);
    const lefts: string[] = [];
    disk.fault = () => {
      const [killed, synced, latest] = [makeRoot(), makeRoot(), makeRoot()];
      cpSync(root, killed, { recursive: true });
      disk.crash(synced, 'synced');
      disk.crash(latest, 'latest');
      lefts.push(killed, synced, latest);
      return undefined;
    };
    await run.safekeeper.delete(KEY);
    disk.fault = () => undefined;
    const seen = new Set<unknown>();
    for (const left of lefts) {
      const isDeleted = existsSync(join(left, KEY.tenantId, TOMBSTONE));
      const { safekeeper } = await start(left);
      const presence = await safekeeper.presence(KEY);
      expect(presence).toBe(isDeleted ? 'deleted' : 'present');
      if (isDeleted) expect(namesIn(left)).toEqual([TOMBSTONE]);
      seen.add(presence);
      await started.pop()?.safekeeper.close();
    }
    expect(seen).toEqual(new Set(['present', 'deleted']));
  });

  test('one whose deletion failed is deleted by the next attempt, or is there after a restart', async () => {
    for (let failing = 0, isDone = false; !isDone; failing++) {
      const directory = makeRoot();
      const failingDisk = new FaultyDisk(directory);
      const { safekeeper } = await start(directory, failingDisk);
      await createTimeline(safekeeper);
      const base = failingDisk.operationCount;
      failingDisk.fault = ({ index }) => (index === base + failing ? ioError() : undefined);
      isDone = await safekeeper.delete(KEY).then(
        () => true,
        () => false,
      );
      failingDisk.fault = () => undefined;
      const isDeleted = existsSync(join(directory, KEY.tenantId, TOMBSTONE));
      await started.pop()?.safekeeper.close();
      const again = await start(directory);
      expect(await again.safekeeper.presence(KEY)).toBe(isDeleted ? 'deleted' : 'present');
      await again.safekeeper.delete(KEY);
      expect(namesIn(directory)).toEqual([TOMBSTONE]);
      await started.pop()?.safekeeper.close();
    }
  });

  test.each(['timeline', 'tenant'])(
    'a name of a %s that a killed process had not synced lasts before anything is acknowledged (FD1)',
    async (what) => {
      await createTimeline((await start(root, disk)).safekeeper);
      await started.pop()?.safekeeper.close();
      const named = what === 'timeline' ? directoryOf(root) : dirname(directoryOf(root));
      await disk.rename(named, `${named}.before`);
      await syncDirectory(disk, dirname(named));
      await disk.rename(`${named}.before`, named);
      await requireLasting(await start(root, disk));
    },
  );

  test('one whose name could not be synced is not there, and is made by the next attempt', async () => {
    const run = await start(root, disk);
    const tenantDirectory = dirname(directoryOf(root));
    disk.fault = ({ operation, path }) =>
      operation === 'syncDirectory' && path === tenantDirectory ? ioError() : undefined;
    await expect(createTimeline(run.safekeeper)).rejects.toThrow('EIO');
    expect(await run.safekeeper.presence(KEY)).toBe('absent');
    disk.fault = () => undefined;
    await createTimeline(run.safekeeper);
    await requireLasting(run);
  });
});
