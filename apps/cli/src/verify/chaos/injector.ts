/**
 * Does to an installation what a schedule says, and undoes it.
 *
 *   F1  `begin` resolves when the fault is there: what is killed is gone, what is paused does nothing more, what is cut is cut.
 *       A change of members is asked for, and goes on by itself.
 *   F2  `end` undoes it; two faults in one are undone in reverse. What was killed is started again; that it becomes well is not waited for.
 *   F3  A service that ends although nobody killed it is a problem, said once, and it is started again.
 *   F4  A disk is emptied only when `Members.lose` lets it be lost (K3), while nothing runs on it. Else nothing is done.
 */
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unreachable } from '@neon/kernel';
import { SeededRandom } from '@neon/simulation';
import type { Installation } from '../../installation';
import { logFile, pidOf, start } from '../../stack/processes';
import type { Service } from '../../stack/service';
import type { Disk } from './disk';
import type { Effect, Fault, Link } from './fault';
import type { Members } from './members';
import type { Network } from './network';
import { freeze, postgresOf, signal } from './processes';
import { SWAPPED_MS } from './recipes';

/** A starved process runs for the first, then stands still for the second. */
const STARVED_MS = { runs: 15, stands: 85 };
/** A lossy link loses all for up to the first, then nothing for up to the second. */
const LOSSY_MS = { loses: 250, carries: 500 };
const GONE_POLL_MS = 10;
const LOG_TAIL_LINES = 5;

export interface Site {
  readonly installation: Pick<Installation, 'home' | 'services'>;
  readonly network: Network | null;
  readonly disk: Disk | null;
  readonly members: Pick<Members, 'ask' | 'lose'>;
  /** Until they are told to stop: WAL that fills a disk, and WAL that a pageserver has to take in. */
  readonly writeMessages: (over: AbortSignal) => Promise<void>;
  readonly writePages: (over: AbortSignal) => Promise<void>;
}

export class Injector {
  readonly problems: string[] = [];
  private readonly undo = new Map<Fault, () => Promise<void>>();
  private readonly killed = new Set<string>();
  /** Of what ends processes: two tracks may mean the same one. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly site: Site,
    private readonly random: SeededRandom,
  ) {}

  get active(): Fault[] {
    return [...this.undo.keys()];
  }

  async begin(fault: Fault): Promise<void> {
    this.undo.set(fault, await this.apply(fault.effect));
  }

  async end(fault: Fault): Promise<void> {
    await this.undo.get(fault)?.();
    this.undo.delete(fault);
  }

  async endAll(): Promise<void> {
    for (const fault of this.active) await this.end(fault);
  }

  private apply(effect: Effect): Promise<() => Promise<void>> {
    switch (effect.kind) {
      case 'kill':
        return this.kill(effect.services);
      case 'wipe':
        return this.wipe(effect.service);
      case 'pause':
        return this.pause(() => effect.services.flatMap((name) => this.pidsOf(name)));
      case 'starve':
        return Promise.resolve(this.starve(effect.services));
      case 'killPostgres':
        this.killPostgres();
        return Promise.resolve(() => Promise.resolve());
      case 'swap':
        return this.swap(effect);
      case 'pausePostgres':
        return this.pause(() => this.postgres().flat());
      case 'cut':
        return this.cut(effect.links);
      case 'flap':
        return Promise.resolve(this.flap(effect.links));
      case 'fill':
        return Promise.resolve(this.fill());
      case 'load':
        return Promise.resolve(this.repeat(this.site.writePages));
      case 'change':
        return this.change(effect.members);
      case 'changeAfterwards':
        return Promise.resolve(() => this.site.members.ask(effect.members));
      case 'both':
        return this.both(effect);
      default:
        return unreachable(effect);
    }
  }

  private async change(members: readonly string[]): Promise<() => Promise<void>> {
    await this.site.members.ask(members);
    return () => Promise.resolve();
  }

  private async both({ first, then, gapMs }: Effect & { kind: 'both' }): Promise<() => Promise<void>> {
    const endFirst = await this.apply(first);
    await sleep(gapMs);
    const endThen = await this.apply(then);
    return async () => {
      await endThen();
      await endFirst();
    };
  }

  private killPostgres(): void {
    for (const [postmaster] of this.postgres()) if (postmaster !== undefined) signal(postmaster, 'SIGKILL');
  }

  /** They are killed: one that only stood still would find, when it goes on, what was sent to it meanwhile. */
  private async swap({ first, then }: Effect & { kind: 'swap' }): Promise<() => Promise<void>> {
    const startFirst = await this.kill(first);
    return async () => {
      const startThen = await this.kill(then);
      this.killPostgres();
      await startFirst();
      await sleep(SWAPPED_MS);
      await startThen();
    };
  }

  private postgres = (): number[][] => postgresOf(this.site.installation.home.directory);

  private pidsOf(name: string): number[] {
    const pid = pidOf(this.site.installation.home, name);
    return pid === null ? [] : [pid];
  }

  private service(name: string): Service {
    const service = this.site.installation.services.find((each) => each.name === name);
    if (service === undefined) throw new Error(`no service ${name}`);
    return service;
  }

  private inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.turn.then(run);
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  private kill(services: readonly string[]): Promise<() => Promise<void>> {
    return this.inTurn(() => this.killNow(services));
  }

  private async killNow(services: readonly string[]): Promise<() => Promise<void>> {
    for (const name of services) {
      this.killed.add(name);
      for (const pid of this.pidsOf(name)) signal(pid, 'SIGKILL');
    }
    for (const name of services) while (this.pidsOf(name).length > 0) await sleep(GONE_POLL_MS);
    return () => {
      for (const name of services) {
        start(this.site.installation.home, this.service(name));
        this.killed.delete(name);
      }
      return Promise.resolve();
    };
  }

  /** F4. Whoever killed it before starts it. */
  private wipe(service: string): Promise<() => Promise<void>> {
    return this.inTurn(async () => {
      if (this.site.members.lose(service)) {
        const isDown = this.killed.has(service);
        const startAgain = await this.killNow([service]);
        empty(join(this.site.installation.home.directory, 'data', service));
        if (!isDown) await startAgain();
      }
      return () => Promise.resolve();
    });
  }

  private async pause(pids: () => number[]): Promise<() => Promise<void>> {
    const paused = pids();
    await freeze(paused);
    return () => {
      for (const pid of paused) signal(pid, 'SIGCONT');
      return Promise.resolve();
    };
  }

  /** Repeats `once` until the fault is over, and is then undone. */
  private repeat(once: (over: AbortSignal) => Promise<void>): () => Promise<void> {
    const over = new AbortController();
    const repeated = (async () => {
      while (!over.signal.aborted) await once(over.signal);
    })();
    return () => {
      over.abort();
      return repeated;
    };
  }

  private starve(services: readonly string[]): () => Promise<void> {
    return this.repeat(async () => {
      const pids = services.flatMap((name) => this.pidsOf(name));
      for (const pid of pids) signal(pid, 'SIGSTOP');
      await sleep(STARVED_MS.stands);
      for (const pid of pids) signal(pid, 'SIGCONT');
      await sleep(STARVED_MS.runs);
    });
  }

  private get network(): Network {
    if (this.site.network === null) throw new Error('there is no network to cut');
    return this.site.network;
  }

  private async cut(links: readonly Link[]): Promise<() => Promise<void>> {
    await Promise.all(links.map((link) => this.network.cut(link)));
    return async () => {
      await Promise.all(links.map((link) => this.network.mend(link)));
    };
  }

  private flap(links: readonly Link[]): () => Promise<void> {
    return this.repeat(async () => {
      const mend = await this.cut(links);
      await sleep(this.random.between(1, LOSSY_MS.loses));
      await mend();
      await sleep(this.random.between(1, LOSSY_MS.carries));
    });
  }

  private fill(): () => Promise<void> {
    const { disk, writeMessages } = this.site;
    if (disk === null) throw new Error('there is no disk to fill');
    disk.fill();
    const stopWal = this.repeat(writeMessages);
    return async () => {
      disk.free();
      await stopWal();
    };
  }

  /** F3. */
  watch(): void {
    const { home, services } = this.site.installation;
    for (const service of services) {
      if (this.killed.has(service.name) || pidOf(home, service.name) !== null) continue;
      const log = readFileSync(logFile(home, service.name), 'utf8').trimEnd().split('\n');
      this.problems.push(`${service.name} ended by itself:\n${log.slice(-LOG_TAIL_LINES).join('\n')}`);
      start(home, service);
    }
  }
}

/** The directory itself may be where a disk is mounted. */
function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
}
