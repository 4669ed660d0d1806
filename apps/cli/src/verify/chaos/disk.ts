/**
 * A disk that can be filled: a small file system of its own in memory, mounted where one safekeeper keeps its WAL.
 *
 *   D1  `fill` leaves room for FREE_BYTES; `free` gives back all the room there was.
 *   D2  `unmount` waits for processes that were killed and still hold files: Linux closes those (`do_exit`) when the process
 *       has no memory, and so no command line, any more.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, renameSync, statfsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const SIZE_BYTES = Math.min(4 * 1024 ** 3, Math.floor(totalmem() / 4));
const FREE_BYTES = 512 * 1024;
const UNMOUNT_TIMEOUT_MS = 10_000;
const UNMOUNT_POLL_MS = 50;

export class Disk {
  constructor(readonly directory: string) {}

  /** False when this system does not let us: then nothing has changed. */
  mount(): boolean {
    if (process.getuid?.() !== 0) return false;
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    try {
      mount('-t', 'tmpfs', '-o', `size=${SIZE_BYTES},mode=0700`, 'neon-chaos', this.directory);
      return true;
    } catch {
      return false;
    }
  }

  fill(): void {
    const { blocks, bfree, bsize } = statfsSync(this.directory);
    this.resize((blocks - bfree) * bsize + FREE_BYTES);
  }

  free(): void {
    this.resize(SIZE_BYTES);
  }

  private resize(bytes: number): void {
    mount('-o', `remount,size=${bytes}`, this.directory);
  }

  private get isMounted(): boolean {
    return readFileSync('/proc/self/mounts', 'utf8').includes(` ${this.directory} tmpfs `);
  }

  /** D2. With `keep`, what was on it stays in the directory. */
  async unmount({ keep }: { readonly keep: boolean }): Promise<void> {
    if (!this.isMounted) return;
    const copy = `${this.directory}.copy`;
    if (keep) cpSync(this.directory, copy, { recursive: true, preserveTimestamps: true });
    await this.detach();
    if (!keep) return;
    renameSync(this.directory, `${this.directory}.mountpoint`);
    renameSync(copy, this.directory);
  }

  private async detach(): Promise<void> {
    for (const deadline = Date.now() + UNMOUNT_TIMEOUT_MS; ; await sleep(UNMOUNT_POLL_MS)) {
      try {
        execFileSync('umount', [this.directory], { stdio: ['ignore', 'ignore', 'pipe'] });
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
    }
  }
}

function mount(...args: string[]): void {
  execFileSync('mount', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
