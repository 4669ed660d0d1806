import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DirectoryPlan } from '@neon/compute-core';
import { layOut } from './lay-out';
import { SpareDirectories } from './spare-directories';

const root = mkdtempSync(join(tmpdir(), 'lay-out-'));
afterAll(() => rmSync(root, { recursive: true }));

const placeholder = (path: string, blockCount: number) => ({
  path,
  blockCount,
  segment: 0,
  tablespaceOid: 1663,
  databaseOid: 5,
  relationNumber: 1,
  fork: 0,
});
const PLAN: DirectoryPlan = {
  directories: ['base', 'base/5', 'pg_wal'],
  files: [{ path: 'PG_VERSION', content: Buffer.from('17\n') }],
  placeholders: [placeholder('base/5/1', 3), placeholder('base/5/2', 0)],
};
const walFiles = [
  {
    fileName: '000000010000000000000001',
    startLsn: 0 as never,
    sizeBytes: 65_536,
    pieces: [{ offset: 8192, bytes: Buffer.from('wal') }],
  },
];
const tree = (directory: string): string[] => (readdirSync(directory, { recursive: true }) as string[]).sort();
const EXPECTED = ['PG_VERSION', 'base', 'base/5', 'base/5/1', 'base/5/2', 'pg_wal', 'pg_wal/000000010000000000000001'];

describe('laying out', () => {
  it('makes files of the planned length and content, for their owner alone', async () => {
    const directory = join(root, 'fresh');
    layOut({ directory, spare: null, plan: PLAN, walFiles, owner: null });
    expect(tree(directory)).toEqual(EXPECTED);
    expect(statSync(join(directory, 'base/5/1'))).toMatchObject({ size: 3 * 8192, blocks: 0 });
    expect(statSync(join(directory, 'PG_VERSION')).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const wal = readFileSync(join(directory, 'pg_wal/000000010000000000000001'));
    expect(wal.length).toBe(65_536);
    expect(wal.toString('latin1', 8192, 8195)).toBe('wal');
  });

  it('from a spare that somebody deleted from is whole, and everything is its owner’s (O1)', async () => {
    const places = join(root, 'deleted-from');
    const spares = new SpareDirectories(places);
    const [old, target] = [join(root, 'deleted-old'), join(root, 'deleted-target')];
    layOut({ directory: old, spare: null, plan: PLAN, walFiles, owner: null });
    await spares.keep(old);
    await spares.settled();
    const [place] = readdirSync(places);
    rmSync(join(places, place ?? '', 'base'), { recursive: true });
    const owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null;
    layOut({ directory: target, spare: await spares.take(target), plan: PLAN, walFiles, owner });
    expect(tree(target)).toEqual(EXPECTED);
    if (owner !== null) expect(statSync(join(target, 'base')).uid).toBe(owner.uid);
  });

  it('from a spare leaves nothing of the compute before (O1)', async () => {
    const spares = new SpareDirectories(join(root, 'spares'));
    const old = join(root, 'old');
    const other = {
      ...PLAN,
      directories: [...PLAN.directories, 'base/6'],
      placeholders: [...PLAN.placeholders, placeholder('base/6/9', 1)],
    };
    layOut({ directory: old, spare: null, plan: other, walFiles, owner: null });
    writeFileSync(join(old, 'base/5/1'), 'secret'.repeat(10_000));
    writeFileSync(join(old, 'base/5/77'), 'more');
    const elsewhere = join(root, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'kept'), 'kept');
    symlinkSync(elsewhere, join(old, 'link'));
    await spares.keep(old);
    expect(existsSync(old)).toBe(false);

    const directory = join(root, 'reused');
    layOut({ directory, spare: await spares.take(directory), plan: PLAN, walFiles, owner: null });
    expect(tree(directory)).toEqual(EXPECTED);
    expect(readFileSync(join(directory, 'base/5/1')).equals(Buffer.alloc(3 * 8192))).toBe(true);
    expect(readFileSync(join(directory, 'PG_VERSION'), 'utf8')).toBe('17\n');
    expect(readdirSync(join(root, 'spares'))).toEqual([]);
    expect(readFileSync(join(elsewhere, 'kept'), 'utf8')).toBe('kept');
  });

  it('from a spare that is taken while it is being emptied is whole', async () => {
    const spares = new SpareDirectories(join(root, 'hurried'));
    const placeholders = Array.from({ length: 400 }, (_, i) => placeholder(`base/5/${i}`, 1 + (i % 7)));
    const directory = join(root, 'hurried-data');
    for (let round = 0; round < 40; round++) {
      layOut({
        directory,
        spare: await spares.take(directory),
        plan: { ...PLAN, placeholders },
        walFiles,
        owner: null,
      });
      await sleep(round % 4);
      const wrong = placeholders.filter(
        ({ path, blockCount }) => statSync(join(directory, path)).size !== blockCount * 8192,
      );
      expect(wrong).toEqual([]);
      await spares.keep(directory);
      await sleep(round % 3);
    }
    await spares.settled();
  });

  it('empties what it keeps', async () => {
    const spares = new SpareDirectories(join(root, 'emptied'));
    const old = join(root, 'full');
    layOut({ directory: old, spare: null, plan: PLAN, walFiles, owner: null });
    writeFileSync(join(old, 'base/5/1'), 'secret');
    await spares.keep(old);
    await spares.settled();
    expect(statSync(join(root, 'emptied/1/base/5/1')).blocks).toBe(0);
    expect(readFileSync(join(root, 'emptied/1/base/5/1'), 'latin1')).not.toContain('secret');
  });

  it('reuses an emptied file of the right length as it is', async () => {
    const spares = new SpareDirectories(join(root, 'lengths'));
    const directory = join(root, 'lengths-data');
    layOut({ directory, spare: null, plan: PLAN, walFiles, owner: null });
    writeFileSync(join(directory, 'base/5/1'), Buffer.alloc(3 * 8192, 'secret'));
    await spares.keep(directory);
    await spares.settled();
    const spare = await spares.take(directory);
    expect(spare?.lengths.get('base/5/1')).toBe(3 * 8192);
    layOut({ directory, spare, plan: PLAN, walFiles, owner: null });
    expect(tree(directory)).toEqual(EXPECTED);
    expect(readFileSync(join(directory, 'base/5/1')).equals(Buffer.alloc(3 * 8192))).toBe(true);
    expect(readFileSync(join(directory, 'PG_VERSION'), 'utf8')).toBe('17\n');
  });

  it('keeps few spares', async () => {
    const spares = new SpareDirectories(join(root, 'many'));
    for (let i = 0; i < 6; i++) {
      const directory = join(root, `ended-${i}`);
      layOut({ directory, spare: null, plan: PLAN, walFiles, owner: null });
      await spares.keep(directory);
    }
    await spares.settled();
    expect(readdirSync(join(root, 'many'))).toHaveLength(4);
  });
});
