import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Corrupt, Refusal, Unavailable } from '@neon/kernel';
import { ObjectKey, ObjectPrefix } from '../object-key';
import { DirectoryObjectStore } from './directory-object-store';

type Step = 'open' | 'write' | 'sync' | 'link' | 'rename' | 'unlink' | 'mkdir';
interface Fault {
  readonly step: Step;
  /** Only at paths that end so. */
  readonly at?: string;
  readonly code: string;
  /** How often it fails; for ever when absent. */
  times?: number;
}
/** What the disk did, and what it is told to fail at. */
const disk: { fault: Fault | undefined; log: string[] } = { fault: undefined, log: [] };

// The real file system, which keeps a log and fails on demand.
jest.mock('node:fs/promises', (): typeof FileSystem => {
  const real = jest.requireActual<typeof FileSystem>('node:fs/promises');
  const step = (name: Step, path: string): void => {
    disk.log.push(`${name} ${path}`);
    const { fault } = disk;
    if (fault?.step === name && path.endsWith(fault.at ?? '') && (fault.times === undefined || fault.times-- > 0))
      throw Object.assign(new Error(`${fault.code}: injected`), { code: fault.code });
  };
  const open: typeof real.open = async (path, ...rest) => {
    step('open', String(path));
    const handle = await real.open(path, ...rest);
    const [write, sync] = [handle.write.bind(handle), handle.sync.bind(handle)];
    return Object.assign(handle, {
      write: (...parameters: Parameters<typeof write>) => {
        step('write', String(path));
        return write(...parameters);
      },
      sync: () => {
        step('sync', String(path));
        return sync();
      },
    });
  };
  return {
    ...real,
    open,
    link: async (from, to) => (step('link', String(to)), real.link(from, to)),
    rename: async (from, to) => (step('rename', String(to)), real.rename(from, to)),
    unlink: async (path) => (step('unlink', String(path)), real.unlink(path)),
    mkdir: new Proxy(real.mkdir, {
      apply: async (call, self, parameters) => (
        step('mkdir', String(parameters[0])),
        Reflect.apply(call, self, parameters)
      ),
    }),
  };
});

let root: string;
let store: DirectoryObjectStore;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'neon-objects-'));
  store = new DirectoryObjectStore(root);
  disk.fault = undefined;
  disk.log = [];
});
afterEach(() => {
  disk.fault = undefined;
  rmSync(root, { recursive: true, force: true });
});

const key = ObjectKey.of('tenant', 'timeline', 'segment');
const content = Buffer.from('what is archived');
const file = (): string => join(root, 'tenant/timeline/segment~object');
const written = (): string[] => (existsSync(join(root, '~writing')) ? readdirSync(join(root, '~writing')) : []);

describe('D1: what a put has answered for survives a power failure', () => {
  it.each([
    ['rename', false],
    ['link', true],
  ])('the content is synced before the %s, and every directory up to the root after it', async (move, ifAbsent) => {
    await store.put(key, content, { ifAbsent });
    const log = disk.log.map((line) => line.replace(root, '').replace(/~writing\/.*/, 'temporary'));
    expect(log.filter((line) => /^(sync|rename|link)/.test(line))).toEqual([
      'sync /temporary',
      `${move} /tenant/timeline/segment~object`,
      'sync /tenant/timeline',
      'sync /tenant',
      `sync ${''}`,
    ]);
  });

  it('directories that another process has just made are synced too', async () => {
    mkdirSync(join(root, 'tenant/timeline'), { recursive: true });
    await store.put(key, content);
    expect(disk.log).toEqual(expect.arrayContaining([`sync ${root}`, `sync ${join(root, 'tenant')}`]));
  });

  it('a delete is synced in the directory that stays', async () => {
    await store.put(key, content);
    await store.put(ObjectKey.of('tenant', 'other'), content);
    disk.log = [];
    await store.delete(key);
    expect(disk.log.filter((line) => line.startsWith('sync'))).toEqual([
      `sync ${join(root, 'tenant')}`,
      `sync ${root}`,
    ]);
    expect(readdirSync(join(root, 'tenant'))).toEqual(['other~object']);
  });
});

it('D1, S8: a delete that could not be synced is synced when it is repeated', async () => {
  await store.put(key, content);
  disk.fault = { step: 'sync', at: root, code: 'EIO', times: 1 };
  await expect(store.delete(key)).rejects.toThrow(Unavailable);
  disk.log = [];
  await store.delete(key);
  expect(disk.log).toContain(`sync ${root}`);
});

describe('D2: a put that fails leaves nothing', () => {
  it.each([
    ['open', 'ENOSPC', 'the disk is full'],
    ['write', 'ENOSPC', 'the disk is full'],
    ['write', 'EDQUOT', 'the disk quota is used up'],
    ['write', 'EIO', 'the disk does not work'],
    ['sync', 'EIO', 'the disk does not work'],
    ['rename', 'EROFS', 'the file system is read-only'],
  ] as const)('%s fails with %s', async (step, code, text) => {
    disk.fault = { step, code };
    const putting = store.put(key, content);
    await expect(putting).rejects.toThrow(Unavailable);
    await expect(putting).rejects.toThrow(`${text} (${code})`);
    disk.fault = undefined;
    expect(await store.get(key)).toBeNull();
    expect(written()).toEqual([]);
    await store.put(key, content);
    expect((await store.get(key))?.bytes).toEqual(content);
  });

  it('an object that was there stays when its replacement fails', async () => {
    await store.put(key, content);
    disk.fault = { step: 'write', code: 'ENOSPC' };
    await expect(store.put(key, Buffer.from('another'))).rejects.toThrow(Unavailable);
    expect((await store.get(key))?.bytes).toEqual(content);
  });

  it('S8: when only the sync of a directory fails, the put may have happened, and may be repeated', async () => {
    disk.fault = { step: 'sync', at: 'timeline', code: 'EIO' };
    await expect(store.put(key, content)).rejects.toThrow(Unavailable);
    disk.fault = undefined;
    await store.put(key, content);
    expect((await store.get(key))?.bytes).toEqual(content);
    expect(written()).toEqual([]);
  });

  it('an abort in the middle of the content leaves nothing', async () => {
    const controller = new AbortController();
    const putting = store.put(key, Buffer.alloc(64 * 1024 * 1024), { signal: controller.signal });
    const reason = new Error('enough');
    while (!disk.log.some((line) => line.startsWith('write'))) await new Promise((resolve) => setTimeout(resolve, 1));
    controller.abort(reason);
    await expect(putting).rejects.toBe(reason);
    expect(await store.head(key)).toBeNull();
    expect(written()).toEqual([]);
  });

  it('what a crash has left is removed after an hour, and not what another process is writing', async () => {
    const [abandoned, fresh] = [join(root, '~writing/abandoned'), join(root, '~writing/fresh')];
    mkdirSync(join(root, '~writing'));
    for (const path of [abandoned, fresh]) writeFileSync(path, 'half an obj');
    const twoHoursAgo = Date.now() / 1000 - 2 * 60 * 60;
    utimesSync(abandoned, twoHoursAgo, twoHoursAgo);
    await store.put(key, content);
    expect(written()).toEqual(['fresh']);
    for await (const object of store.list(ObjectPrefix.parse(''))) expect(object.key).toBe(key);
  });

  it('a put whose file was taken for abandoned fails, and may be repeated', async () => {
    disk.fault = { step: 'rename', code: 'ENOENT' };
    await expect(store.put(key, content)).rejects.toThrow(Unavailable);
  });
});

const smallDisk = mkdtempSync(join(tmpdir(), 'neon-small-disk-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', smallDisk]).status === 0;
afterAll(() => {
  if (mounted) spawnSync('umount', [smallDisk]);
  rmSync(smallDisk, { recursive: true });
});
(mounted ? it : it.skip)(
  `a disk that is really full (${mounted ? 'a tmpfs of 1 MiB' : 'SKIPPED: mounting a tmpfs is not allowed here, only injected faults were tested'})`,
  async () => {
    const small = new DirectoryObjectStore(smallDisk);
    await small.put(key, content);
    const tooMuch = small.put(ObjectKey.of('more'), Buffer.alloc(2 * 1024 * 1024, 1));
    await expect(tooMuch).rejects.toThrow(Unavailable);
    await expect(tooMuch).rejects.toThrow('the disk is full (ENOSPC)');
    expect(readdirSync(join(smallDisk, '~writing'))).toEqual([]);
    expect((await small.get(key))?.bytes).toEqual(content);
    await small.put(ObjectKey.of('less'), Buffer.alloc(512 * 1024, 1));
  },
);

describe('S4, F2: damage is Corrupt', () => {
  beforeEach(() => store.put(key, content));

  it.each([0, 5, content.length - 1, content.length, content.length + 11])('of byte %i', async (at) => {
    const bytes = readFileSync(file());
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file(), bytes);
    await expect(store.get(key)).rejects.toThrow(Corrupt);
  });

  it.each([0, 5, content.length, content.length + 11])('of a file that was cut to %i bytes', async (size) => {
    writeFileSync(file(), readFileSync(file()).subarray(0, size));
    await expect(store.get(key)).rejects.toThrow(Corrupt);
    await expect(store.head(key)).rejects.toThrow(Corrupt);
    await expect(store.getRange(key, { offset: 0, length: 1 })).rejects.toThrow(Corrupt);
  });

  it('content and footer are as documented', () => {
    const bytes = readFileSync(file());
    expect(bytes.subarray(0, -12)).toEqual(content);
    expect(bytes.subarray(-8).toString()).toBe('NEONOBJ1');
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });
});

describe('S5, D5: a root that is missing is never an absent object', () => {
  beforeEach(() => {
    rmSync(root, { recursive: true });
  });
  it.each([
    ['get', () => store.get(key)],
    ['head', () => store.head(key)],
    ['range', () => store.getRange(key, { offset: 0, length: 1 })],
    ['put', () => store.put(key, content)],
    ['delete', () => store.delete(key)],
    ['list', () => store.list(ObjectPrefix.parse('')).next()],
    ['list below', () => store.list(ObjectPrefix.of('tenant')).next()],
  ])('%s', async (_name, run) => {
    const running = run();
    await expect(running).rejects.toThrow(Unavailable);
    await expect(running).rejects.toThrow(`the directory ${root} does not exist`);
    expect(existsSync(root)).toBe(false);
  });
});

it('S6: files and directories of others are not listed', async () => {
  await store.put(key, content);
  mkdirSync(join(root, 'lost+found'));
  mkdirSync(join(root, 'ümlaut'));
  for (const path of ['README', '~object', 'tenant/x~object.bak', 'ümlaut/a~object', 'a b~object'])
    writeFileSync(join(root, path), 'x');
  const keys: string[] = [];
  for await (const object of store.list(ObjectPrefix.parse(''))) keys.push(object.key);
  expect(keys).toEqual([key]);
});

it('D3, D4: puts and deletes of neighbours in one directory, by two processes, all succeed', async () => {
  const stores = [store, new DirectoryObjectStore(root)];
  const churn = async (each: DirectoryObjectStore, name: string): Promise<void> => {
    for (let round = 0; round < 100; round++) {
      await each.put(ObjectKey.of('a', 'b', 'c', name), content);
      await each.delete(ObjectKey.of('a', 'b', 'c', name));
    }
  };
  await Promise.all(stores.flatMap((each, index) => [churn(each, `x${index}`), churn(each, `y${index}`)]));
  expect(readdirSync(root)).toEqual(['~writing']);
});

it.each([1, 2, 5])('D3, D4: a directory that goes %i times while one is made in it is made again', async (times) => {
  disk.fault = { step: 'mkdir', at: 'tenant/timeline', code: 'ENOENT', times };
  await store.put(key, content);
  expect((await store.get(key))?.bytes).toEqual(content);
});

it('S3: a put that must not replace is refused, and leaves nothing in writing', async () => {
  await store.put(key, content, { ifAbsent: true });
  await expect(store.put(key, Buffer.from('another'), { ifAbsent: true })).rejects.toThrow(Refusal);
  expect((await store.get(key))?.bytes).toEqual(content);
  expect(written()).toEqual([]);
});

it.each(['EPERM', 'ENOTSUP'])('S3: a file system without hard links (%s) says so', async (code) => {
  disk.fault = { step: 'link', code };
  await expect(store.put(key, content, { ifAbsent: true })).rejects.toMatchObject({
    code: 'NotSupportedByObjectStore',
  });
  expect(written()).toEqual([]);
});

it('a path that goes through a file is an error, not an absence', async () => {
  writeFileSync(join(root, 'tenant'), '');
  await expect(store.put(key, content)).rejects.toThrow(Unavailable);
  await expect(store.get(key)).rejects.toThrow(Unavailable);
});

it('a reader keeps the version that it has opened', async () => {
  await store.put(key, content);
  const reading = store.get(key);
  renameSync(file(), join(root, 'moved'));
  const found = await reading;
  expect(found === null || content.equals(found.bytes)).toBe(true);
});
