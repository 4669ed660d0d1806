/**
 * Processes that outlived their compute: backends of a postmaster that was killed, or a whole server whose agent was.
 *
 * Every Postgres process works in its data directory, so its current directory tells whose it is: an id in a file may by
 * now belong to somebody else, a working directory may not.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const WAIT_MS = 2_000;
const POLL_MS = 5;

export interface Killed {
  readonly count: number;
  /** False when some did not end in time: they may still write to the files they have open. */
  readonly areGone: boolean;
}

/** Ends every process that works below `directory`, and waits until they are gone. */
export async function killProcessesIn(directory: string): Promise<Killed> {
  const found = processesIn(directory);
  for (const pid of found) kill(pid);
  for (const deadline = Date.now() + WAIT_MS; ; await sleep(POLL_MS)) {
    const areGone = processesIn(directory).length === 0;
    if (areGone || Date.now() > deadline) return { count: found.length, areGone };
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

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
