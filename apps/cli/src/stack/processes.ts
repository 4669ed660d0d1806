/**
 * The processes of the stack: detached, one pid file and one log file each, found again by later commands.
 *
 *   P1  A pid counts only while that process runs the command it was started with, or is the launcher that is about to
 *       become it: a reused pid is not ours.
 *   P2  `stop` asks, waits, then kills: when it returns the process is gone, and so are its files, locks and ports. Linux gives
 *       those up (`do_exit`) when a process has no memory, and so no command line, any more.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Home, folder } from '../home';
import type { Service } from './service';

const STOP_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

const pidFile = (home: Home, name: string): string => join(folder(home, 'run'), `${name}.pid`);
export const logFile = (home: Home, name: string): string => join(folder(home, 'logs'), `${name}.log`);

/** The running process of that name, or null. */
export function pidOf(home: Home, name: string): number | null {
  const file = pidFile(home, name);
  if (!existsSync(file)) return null;
  const [pid, ...command] = readFileSync(file, 'utf8').trim().split('\n');
  return isRunning(Number(pid), command.join('\n')) ? Number(pid) : null;
}

function isRunning(pid: number, command: string): boolean {
  try {
    const running = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join('\n').trim();
    return running === command || running.endsWith(`\n${command}`);
  } catch {
    return false;
  }
}

/** State, parent, … : what follows the command's name in parentheses. @throws when there is no such process */
export const statOf = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');

/** P2. One that nobody has waited for yet is a zombie, whose threads may not have ended with it. */
function hasEnded(pid: number): boolean {
  try {
    return statOf(pid)[0] === 'Z' && readdirSync(`/proc/${pid}/task`).length === 1;
  } catch {
    return true;
  }
}

export function start(home: Home, service: Service): number {
  const log = openSync(logFile(home, service.name), 'a', 0o600);
  const [program, ...args] = [...service.place.launcher, ...service.command];
  if (program === undefined) throw new Error('a service has a command');
  const child = spawn(program, args, {
    ...service.user,
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8', TZ: 'UTC', ...service.env },
  });
  child.once('error', () => undefined);
  child.unref();
  closeSync(log);
  writeFileSync(pidFile(home, service.name), [child.pid, ...service.command].join('\n'));
  return child.pid ?? 0;
}

export async function stop(home: Home, name: string, signal: NodeJS.Signals): Promise<boolean> {
  const pid = pidOf(home, name);
  if (pid === null) return false;
  process.kill(pid, signal);
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (!hasEnded(pid)) {
    if (Date.now() > deadline && pidOf(home, name) === pid) process.kill(pid, 'SIGKILL');
    await sleep(POLL_MS);
  }
  rmSync(pidFile(home, name), { force: true });
  return true;
}
