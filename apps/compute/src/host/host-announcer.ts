/**
 * What this host says unasked: that it lives, each second, and every end of a compute.
 *
 *   A1  The end of a compute is published until it is stored, however long the bus is away; ends keep their order.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ComputeState, computeStopped, hostAlive } from '@neon/compute-contract';
import type { Bus } from '@neon/messaging';
import type { Logger } from '@neon/telemetry';

export interface ComputeEnd {
  readonly computeId: string;
  readonly reason: 'requested' | 'crashed' | 'fenced' | 'host-stopped';
  readonly message: string;
}

const ALIVE_MS = 1_000;
const RETRY_MS = 500;

export class HostAnnouncer {
  private published: Promise<void> = Promise.resolve();
  private ticker: NodeJS.Timeout | undefined;

  constructor(
    private readonly bus: Bus,
    private readonly hostId: string,
    private readonly log: Logger,
  ) {}

  start(states: () => ComputeState[]): void {
    const signal = () => this.bus.signal(hostAlive, { hostId: this.hostId, computes: states() });
    signal();
    this.ticker = setInterval(signal, ALIVE_MS);
  }

  ended({ computeId, reason, message }: ComputeEnd): void {
    const event = { computeId, hostId: this.hostId, reason, message };
    const id = randomUUID();
    this.log.info(event, 'compute ended');
    this.published = this.published.then(async () => {
      for (;;) {
        try {
          await this.bus.publish(computeStopped, event, { id });
          return;
        } catch (error) {
          if (!this.bus.isConnected) return;
          this.log.warn({ computeId, error: String(error) }, 'the end of a compute is not published yet');
          await sleep(RETRY_MS);
        }
      }
    });
  }

  /** Resolves when everything said so far is stored, or `timeoutMs` is over. */
  async stop(timeoutMs: number): Promise<void> {
    clearInterval(this.ticker);
    await Promise.race([this.published, sleep(timeoutMs, undefined, { ref: false })]);
  }
}
