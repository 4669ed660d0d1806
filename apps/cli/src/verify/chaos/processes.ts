/** Processes of an installation, found through /proc: the computes' Postgres servers and whatever else works in its home. */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { statOf } from '../../stack/processes';

const STOP_POLL_MS = 2;
const STOP_TIMEOUT_MS = 5_000;

interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function running(): ProcessLine[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return [{ pid: Number(name), parent: Number(statOf(Number(name))[1]), command }];
    } catch {
      return [];
    }
  });
}

/** The postmasters of all computes of an installation, each with its children. */
export function postgresOf(home: string): number[][] {
  const all = running();
  return all
    .filter(({ command }) => /bin\/postgres /.test(command) && command.includes(` -D ${home}/data/compute`))
    .map(({ pid }) => [pid, ...all.filter(({ parent }) => parent === pid).map((child) => child.pid)]);
}

/** Every process whose command names a file in `home`, other than this one and its ancestors. */
export function leftIn(home: string): number[] {
  const all = running();
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const ours = new Set<number>();
  for (let pid: number | undefined = process.pid; pid !== undefined && !ours.has(pid); pid = parents.get(pid))
    ours.add(pid);
  const named = all.filter(({ pid, command }) => command.includes(`${home}/`) && !ours.has(pid)).map(({ pid }) => pid);
  return [...new Set([...named, ...all.filter(({ parent }) => named.includes(parent)).map(({ pid }) => pid)])];
}

/** False when there is no such process any more. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Stops processes; they do nothing more when this resolves. */
export async function freeze(pids: readonly number[]): Promise<void> {
  for (const pid of pids) signal(pid, 'SIGSTOP');
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  for (const pid of pids) while (!isStill(pid) && Date.now() < deadline) await sleep(STOP_POLL_MS);
}

function isStill(pid: number): boolean {
  try {
    return ['T', 'Z', 'X'].includes(statOf(pid)[0] ?? '');
  } catch {
    return true;
  }
}
