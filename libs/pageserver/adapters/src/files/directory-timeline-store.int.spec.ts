import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TenantId, TimelineId } from '@neon/kernel';
import { DirectoryTimelineStore } from './directory-timeline-store';
import { OpenFiles } from './open-files';

const synced: string[] = [];
/** Runs before each operation on a file or directory. */
let before: () => Promise<void> = () => Promise.resolve();
jest.mock('node:fs/promises', (): typeof FileSystem => {
  const real = jest.requireActual<typeof FileSystem>('node:fs/promises');
  const watched = <A extends unknown[], R>(operation: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      await before();
      return operation(...args);
    };
  };
  return {
    ...real,
    mkdir: watched(real.mkdir) as typeof real.mkdir,
    readdir: watched(real.readdir) as typeof real.readdir,
    rename: watched(real.rename),
    rm: watched(real.rm),
    rmdir: watched(real.rmdir),
    // Directories are opened for nothing but their sync.
    open: watched((path, ...rest) => (synced.push(String(path)), real.open(path, ...rest))),
  };
});

const TENANT = TenantId.parse('a'.repeat(32));
const nameOf = (digit: string) => ({ tenantId: TENANT, timelineId: TimelineId.parse(digit.repeat(32)) });
let root: string;
let store: DirectoryTimelineStore;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'neon-store-'));
  store = new DirectoryTimelineStore(root, new OpenFiles(8));
  await store.list();
  synced.length = 0;
});
afterEach(() => rmSync(root, { recursive: true }));

it("a tenant's first timeline is as durable as its names: in the tenant's directory, and the tenant's in the root (TS1)", async () => {
  await store.open(nameOf('1'));
  expect(synced).toEqual([root, join(root, TENANT)]);
  synced.length = 0;
  await store.open(nameOf('2'));
  expect(synced).toEqual([join(root, TENANT)]);
});

it("a tenant's directory goes with its last timeline, and with what an interrupted deletion left (TS2, TS3)", async () => {
  await store.open(nameOf('1'));
  await store.open(nameOf('2'));
  await store.remove(nameOf('1'));
  expect(readdirSync(join(root, TENANT))).toEqual(['2'.repeat(32)]);
  await store.remove(nameOf('2'));
  expect(readdirSync(root)).toEqual([]);
  mkdirSync(join(root, TENANT, `${'1'.repeat(32)}.deleted`), { recursive: true });
  mkdirSync(join(root, 'b'.repeat(32)));
  expect(await store.list()).toEqual([]);
  expect(readdirSync(root)).toEqual([]);
});

/** Lets `other` happen as a whole before the `step`-th operation of `one`, or after it. @returns whether `one` has as many */
async function interleave(one: () => Promise<unknown>, other: () => Promise<unknown>, step: number): Promise<boolean> {
  let count = 0;
  before = async () => {
    if (++count !== step) return;
    const resumed = before;
    before = () => Promise.resolve();
    await other();
    before = resumed;
  };
  await one();
  before = () => Promise.resolve();
  if (count < step) await other();
  return count >= step;
}

it.each(['remove', 'open'] as const)(
  'a timeline is made whatever moment of it the last other one goes at: within %s (TS3)',
  async (within) => {
    const removal = () => store.remove(nameOf('1'));
    const making = () => store.open(nameOf('2'));
    let steps = 0;
    for (let isThere = true; isThere;) {
      rmSync(join(root, TENANT), { recursive: true, force: true });
      await store.open(nameOf('1'));
      steps++;
      isThere = await (within === 'remove' ? interleave(removal, making, steps) : interleave(making, removal, steps));
      expect(readdirSync(join(root, TENANT))).toEqual(['2'.repeat(32)]);
    }
    expect(steps).toBeGreaterThan(3);
  },
);
