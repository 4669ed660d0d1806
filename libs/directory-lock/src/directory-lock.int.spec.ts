import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockDirectory } from './directory-lock';

describe('the lock of a directory', () => {
  const root = mkdtempSync(join(tmpdir(), 'directory-lock-'));
  const directory = join(root, 'data');
  const children: ChildProcess[] = [];

  beforeAll(() => {
    mkdirSync(directory);
    symlinkSync(directory, join(root, 'link'));
    mkdirSync(join(root, 'other'));
  });

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  });

  test('is held by one at a time, by whichever path, and can be taken again after its release (K1, K2)', async () => {
    const lock = await lockDirectory(directory);
    const refused = { code: 'DirectoryInUse', message: expect.stringContaining(directory) as string };
    await expect(lockDirectory(directory)).rejects.toMatchObject(refused);
    await expect(lockDirectory(join(root, 'link'))).rejects.toMatchObject({ code: 'DirectoryInUse' });
    const other = await lockDirectory(join(root, 'other'));
    await lock.release();
    await (await lockDirectory(directory)).release();
    await other.release();
  });

  test('of another process is respected, and ends when that is killed, though a child of it lives on (K2)', async () => {
    const holder = spawn(process.execPath, ['-e', HOLDER, join(__dirname, 'directory-lock.ts'), directory], {
      cwd: join(__dirname, '../../..'),
      env: { ...process.env, TS_NODE_PROJECT: 'tsconfig.json' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(holder);
    const [said] = (await once(holder.stdout, 'data')) as [Buffer];
    const grandchild = Number(said.toString());
    try {
      await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'DirectoryInUse' });
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      process.kill(grandchild, 0);
      await (await lockDirectory(directory)).release();
    } finally {
      process.kill(grandchild, 'SIGKILL');
    }
  });

  test('that ends a moment after somebody asked for it is his then (K3)', async () => {
    const lock = await lockDirectory(directory);
    const [next] = await Promise.all([lockDirectory(directory), sleep(200).then(() => lock.release())]);
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'DirectoryInUse' });
    await next.release();
  });

  test('of a directory that does not exist cannot be taken', async () => {
    await expect(lockDirectory(join(root, 'missing'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

const HOLDER = `
  require('@swc-node/register');
  const { lockDirectory } = require(process.argv[1]);
  lockDirectory(process.argv[2]).then(() => {
    const child = require('node:child_process').spawn('sleep', ['60'], { stdio: 'ignore' });
    process.stdout.write(String(child.pid));
    setInterval(() => undefined, 1000);
  });
`;
