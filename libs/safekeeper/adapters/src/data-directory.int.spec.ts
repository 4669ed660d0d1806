import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Corrupt, SafekeeperId } from '@neon/kernel';
import { IDENTITY_FILE, openDataDirectory } from './data-directory';

const SAFEKEEPER = SafekeeperId.of(7);

describe('the data directory of a safekeeper', () => {
  let root: string;
  let path: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'data-directory-'));
    path = join(root, 'made', 'on', 'demand');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  async function identityOf(directory: string): Promise<string> {
    const { identity, release } = await openDataDirectory(directory, SAFEKEEPER);
    await release();
    return identity.incarnation;
  }

  test('has one user at a time (DD1)', async () => {
    const directory = await openDataDirectory(path, SAFEKEEPER);
    await expect(openDataDirectory(path, SAFEKEEPER)).rejects.toMatchObject({ code: 'DirectoryInUse' });
    await directory.release();
    await (await openDataDirectory(path, SAFEKEEPER)).release();
  });

  test('keeps its incarnation, and has another after it was lost (SI2)', async () => {
    const incarnation = await identityOf(path);
    expect(await identityOf(path)).toBe(incarnation);
    rmSync(path, { recursive: true });
    expect(await identityOf(path)).not.toBe(incarnation);
  });

  test('with timelines and no identity is not taken for anybody, nor locked for good (DD2)', async () => {
    mkdirSync(join(path, 'ab'.repeat(16)), { recursive: true });
    for (let attempt = 0; attempt < 2; attempt++)
      await expect(openDataDirectory(path, SAFEKEEPER)).rejects.toThrow(/it is not known whose they are/);
  });

  test('of another safekeeper, or with a damaged identity, is refused', async () => {
    await identityOf(path);
    await expect(openDataDirectory(path, SafekeeperId.of(8))).rejects.toThrow(/belongs to safekeeper 7, this is 8/);
    const file = join(path, IDENTITY_FILE);
    writeFileSync(file, readFileSync(file).subarray(1));
    await expect(openDataDirectory(path, SAFEKEEPER)).rejects.toThrow(Corrupt);
  });
});
