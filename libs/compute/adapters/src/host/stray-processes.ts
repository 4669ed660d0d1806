/**
 * Processes that outlived their compute: backends of a postmaster that was killed, or a whole server whose agent was.
 *
 * Every Postgres process works in its data directory, so its current directory tells whose it is: an id in a file may by
 * now belong to somebody else, a working directory may not. The system tells it without links, whatever path led there.
 */
import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '@neon/kernel';

const WAIT_MS = 2_000;
const POLL_MS = 5;

/**
 * Ends every process that works below `directory`, and every one that those still begin, and tells how many there were.
 * @throws Unavailable when some do not end: they may still write to the files they have open
 */
export async function killProcessesIn(
  directory: string,
  { signal = 'SIGKILL', waitMs = WAIT_MS }: { signal?: NodeJS.Signals; waitMs?: number } = {},
): Promise<number> {
  const real = withoutLinks(directory);
  const killed = new Set<number>();
  for (const deadline = Date.now() + waitMs; ; await sleep(POLL_MS)) {
    const found = processesIn(real);
    if (found.length === 0) return killed.size;
    if (Date.now() > deadline) throw new Unavailable(`processes ${found.join(', ')} in ${real} do not end`);
    for (const pid of found) {
      killed.add(pid);
      kill(pid, signal);
    }
  }
}

/** A directory that is gone has no links, and its processes name it as they knew it. */
function withoutLinks(directory: string): string {
  try {
    return realpathSync(directory);
  } catch {
    return directory;
  }
}

function processesIn(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && workingDirectory(pid).startsWith(`${directory}/`));
}

/** Empty for a process that ended or is not ours to look at. */
function workingDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}
