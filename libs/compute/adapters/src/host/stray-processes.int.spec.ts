/** Real processes that work in directories. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killProcessesIn } from './stray-processes';

let root: string;
let children: ChildProcess[];

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'neon-strays-')));
  mkdirSync(join(root, 'real/computes/c/data'), { recursive: true });
  symlinkSync(join(root, 'real'), join(root, 'link'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

async function working(directory: string, command = 'sleep 30'): Promise<ChildProcess> {
  const child = spawn('/bin/sh', ['-c', command], { cwd: join(root, directory), stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child;
}

describe('processes that outlived their compute', () => {
  it.each(['real', 'link'])('are found by the path "%s"', async (name) => {
    const child = await working('link/computes/c/data');
    const exited = once(child, 'exit');
    expect(await killProcessesIn(join(root, name, 'computes'))).toBeGreaterThan(0);
    expect((await exited)[1]).toBe('SIGKILL');
  });

  it('are found though they begin others all the time', async () => {
    await working('real/computes/c/data', 'while :; do sleep 0.01 & done');
    await killProcessesIn(join(root, 'link/computes'));
    expect(await killProcessesIn(join(root, 'real/computes'))).toBe(0);
  });

  it('are told when they do not end', async () => {
    const child = await working('real/computes/c/data', 'exec sleep 30');
    const options = { signal: 'SIGCONT', waitMs: 50 } as const;
    const kill = killProcessesIn(join(root, 'link/computes'), options);
    await expect(kill).rejects.toThrow(`processes ${child.pid} in ${root}/real/computes do not end`);
  });

  it('elsewhere are left alone', async () => {
    const child = await working('real');
    expect(await killProcessesIn(join(root, 'real/computes'))).toBe(0);
    expect(child.exitCode).toBeNull();
  });
});
