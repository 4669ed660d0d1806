/** A machine of its own for each test of a spec: a directory on a disk that can fail, and the safekeepers that were started there. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Timeline } from '@neon/safekeeper-core';
import { FaultyDisk } from './faulty-disk';
import { type Started, directoryOf, startSafekeeper } from './one-acceptor';

type StartOptions = NonNullable<Parameters<typeof startSafekeeper>[1]>;

export class Machine {
  private readonly started: Started[] = [];

  private constructor(
    readonly root: string,
    readonly disk: FaultyDisk,
  ) {}

  static make(prefix: string): Machine {
    const root = mkdtempSync(join(tmpdir(), prefix));
    return new Machine(root, new FaultyDisk(root));
  }

  /** On its disk. */
  async start(options: Omit<StartOptions, 'disk'> = {}): Promise<Started> {
    const run = await startSafekeeper(this.root, { ...options, disk: this.disk });
    this.started.push(run);
    return run;
  }

  /** The one that was started last. */
  async stop(): Promise<void> {
    await this.started.pop()?.safekeeper.close();
  }

  /** The timeline of the one that was started last, once it works. */
  async working(): Promise<Timeline> {
    return this.running.working();
  }

  /** The one that was started last. */
  get running(): Started {
    const run = this.started.at(-1);
    if (run === undefined) throw new Error('nothing runs on this machine');
    return run;
  }

  /** Of the one timeline. */
  segments(): string[] {
    return readdirSync(directoryOf(this.root)).filter((name) => /^[0-9A-F]{24}$/.test(name));
  }

  async remove(): Promise<void> {
    this.disk.fault = () => undefined;
    for (const { safekeeper } of this.started.splice(0)) await safekeeper.close();
    rmSync(this.root, { recursive: true, force: true });
  }
}
