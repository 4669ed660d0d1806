/**
 * Connections between two parties, as TCP gives them or worse.
 *
 *   N1  A message arrives at most as late as its delay allows, or never; nothing arrives on a closed connection.
 *   N2  With `isOrdered`, messages of one direction arrive in order, and a lost one breaks the connection, as with TCP.
 *       Without, they are dropped, repeated and reordered one by one.
 */
import type { Scheduler } from './scheduler';
import type { SeededRandom } from './seeded-random';

export interface NetworkProfile {
  readonly delayMaxMs: number;
  readonly dropRate: number;
  readonly duplicateRate: number;
  readonly isOrdered: boolean;
}

/** One end of a connection. */
export interface Receiver {
  onMessage(bytes: Uint8Array): void;
  onClosed(): void;
}

export class Connection {
  private isOpen = true;
  private lastArrivalMs: [number, number] = [0, 0];
  private readonly receivers: [Receiver | undefined, Receiver | undefined] = [undefined, undefined];

  constructor(
    private readonly scheduler: Scheduler,
    private readonly random: SeededRandom,
    private readonly profile: NetworkProfile,
    private readonly isCut: () => boolean,
  ) {}

  attach(end: 0 | 1, receiver: Receiver): void {
    this.receivers[end] = receiver;
  }

  send(from: 0 | 1, bytes: Uint8Array): void {
    if (!this.isOpen) return;
    const to = from === 0 ? 1 : 0;
    if (this.isCut()) return this.profile.isOrdered ? this.close() : undefined;
    if (this.random.chance(this.profile.dropRate)) return this.profile.isOrdered ? this.close() : undefined;
    const copies = !this.profile.isOrdered && this.random.chance(this.profile.duplicateRate) ? 2 : 1;
    for (let i = 0; i < copies; i++) this.deliver(to, bytes);
  }

  private deliver(to: 0 | 1, bytes: Uint8Array): void {
    let arrivalMs = this.scheduler.nowMs + this.random.unit() * this.profile.delayMaxMs;
    if (this.profile.isOrdered) arrivalMs = Math.max(arrivalMs, this.lastArrivalMs[to]);
    this.lastArrivalMs[to] = arrivalMs;
    this.scheduler.after(arrivalMs - this.scheduler.nowMs, () => {
      if (this.isOpen && !this.isCut()) this.receivers[to]?.onMessage(bytes);
    });
  }

  /** Each end notices after a while, in its own time. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const receiver of this.receivers)
      this.scheduler.after(this.random.unit() * this.profile.delayMaxMs, () => receiver?.onClosed());
  }
}

/** Which parties cannot reach each other. */
export class Partitions {
  private readonly cut = new Set<string>();

  private static key = (a: string, b: string): string => (a < b ? `${a}|${b}` : `${b}|${a}`);

  isCut = (a: string, b: string): boolean => this.cut.has(Partitions.key(a, b));
  separate = (a: string, b: string): unknown => this.cut.add(Partitions.key(a, b));
  heal = (): void => this.cut.clear();
}
