import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freeze, leftIn, postgresOf, signal } from './processes';

const home = mkdtempSync(join(tmpdir(), 'neon-processes-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(home, { recursive: true });
});

/** Counts aloud, ten times in a hundred milliseconds. */
function counter(...args: string[]): { child: ChildProcess; count: () => number } {
  let count = 0;
  const child = spawn(process.execPath, ['-e', "setInterval(() => process.stdout.write('x'), 10)", ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.on('data', (chunk: Buffer) => (count += chunk.length));
  children.push(child);
  return { child, count: () => count };
}

it('what is frozen does nothing more until it goes on', async () => {
  const { child, count } = counter();
  while (count() === 0) await sleep(10);
  await freeze([child.pid!]);
  await sleep(50);
  const frozen = count();
  await sleep(200);
  expect(count()).toBe(frozen);
  expect(signal(child.pid!, 'SIGCONT')).toBe(true);
  while (count() === frozen) await sleep(10);
});

it('a process that is gone is not waited for, nor signalled', async () => {
  const { child } = counter();
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  await freeze([child.pid!]);
  expect(signal(child.pid!, 'SIGCONT')).toBe(false);
});

it('finds the Postgres servers of the computes of one home, and what else names a file there', async () => {
  const bin = join(home, 'bin');
  mkdirSync(bin);
  copyFileSync('/bin/sh', join(bin, 'postgres'));
  chmodSync(join(bin, 'postgres'), 0o755);
  const server = (...args: string[]): number => {
    const child = spawn(join(bin, 'postgres'), ['-c', 'sleep 60 & wait', ...args], { stdio: 'ignore' });
    children.push(child);
    return child.pid!;
  };
  const ours = server('-D', `${home}/data/compute-1/ep-a/pgdata`);
  const metadata = server('-D', `${home}/data/metadata/pgdata`);
  const others = server('-D', '/elsewhere/data/compute-1/ep-a/pgdata');
  while (postgresOf(home)[0]?.length !== 2) await sleep(10);
  expect(postgresOf(home).map(([postmaster]) => postmaster)).toEqual([ours]);
  const left = leftIn(home);
  expect(left).toEqual(expect.arrayContaining([ours, metadata, others, postgresOf(home)[0]![1]]));
  expect(left).not.toContain(process.pid);
  for (const pid of left) signal(pid, 'SIGKILL');
  while (leftIn(home).length > 0) await sleep(10);
});
