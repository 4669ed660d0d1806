/** What happened when, in a file beside the data, and what a person sees of it. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fault, describe } from './fault';
import type { Figures } from './figures';
import type { Injector } from './injector';
import type { LagWatch } from './lag';
import type { Members } from './members';

const ERRORS_SHOWN = 12;
const MEBIBYTE = 1024 * 1024;

/** What the journal tells of. */
interface Observed {
  readonly figures: Figures;
  readonly injector: Injector;
  readonly members: Members;
  readonly lag: LagWatch;
}

export class Journal {
  private readonly startedMs = performance.now();
  private readonly file: string;
  private readonly counts = new Map<string, number>();
  private shown = { ms: performance.now(), acknowledged: 0 };

  constructor(home: string) {
    this.file = join(home, 'chaos.journal');
  }

  private get seconds(): number {
    return (performance.now() - this.startedMs) / 1_000;
  }

  note(line: string): void {
    appendFileSync(this.file, `${new Date().toISOString()} ${this.seconds.toFixed(3)} ${line}\n`);
  }

  count({ name }: Fault): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  progress({ figures, injector }: Pick<Observed, 'figures' | 'injector'>): string {
    const now = performance.now();
    const rate = ((figures.acknowledged - this.shown.acknowledged) * 1_000) / (now - this.shown.ms);
    this.shown = { ms: now, acknowledged: figures.acknowledged };
    const faults = injector.active.map(describe).join('; ');
    const line = `  ${this.seconds.toFixed(0).padStart(5)} s  ${rate.toFixed(0).padStart(4)} acknowledged/s  ${figures.inDoubt} in doubt  ${faults}`;
    this.note(line.trim());
    return line;
  }

  summary({ figures, members, lag }: Pick<Observed, 'figures' | 'members' | 'lag'>): string[] {
    const row = (name: string, value: string | number): string => `  ${name.padEnd(46)} ${value}`;
    return [
      'faults',
      ...[...this.counts].sort().map(([name, count]) => row(name, count)),
      'changes of members',
      row('asked for', members.asked),
      row('accepted, the others in vain until the next', members.accepted),
      ...counted(members.refusals),
      'disks of safekeepers',
      row('lost', members.lostCount),
      row('had to be kept', members.keptCount),
      'the pageserver',
      row('largest lag behind a compute', `${(lag.largestBytes / MEBIBYTE).toFixed(1)} MiB`),
      row('looks at a compute host that was slowed down', `${lag.slowedLooks} of ${lag.looks}`),
      'transactions',
      row('acknowledged', figures.acknowledged),
      row('failed for certain', figures.failed),
      row('in doubt', figures.inDoubt),
      row('times in which none could be acknowledged', figures.silences),
      row('plain reads that were stale', figures.staleReads),
      row('longest time without an acknowledgement', `${(figures.longestUnavailabilityMs / 1_000).toFixed(1)} s`),
      row('latency, p50 / p99', `${figures.latencyMs(0.5).toFixed(1)} / ${figures.latencyMs(0.99).toFixed(1)} ms`),
      'errors that clients met',
      ...counted(figures.errors),
    ];
  }
}

/** The most frequent first. */
const counted = (errors: ReadonlyMap<string, number>): string[] =>
  [...errors]
    .sort(([, a], [, b]) => b - a)
    .slice(0, ERRORS_SHOWN)
    .map(([error, count]) => `  ${String(count).padStart(6)} ${error}`);
