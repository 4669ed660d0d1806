/**
 * Signals alone, for services that work on while NATS is away, from their start on.
 *
 *   G1  It may be used at once. What is said before there is a connection is dropped, as every signal may be (M5).
 *   G2  Who listens hears from the first connection on.
 *   G3  `close` also ends the wait for a connection.
 */
import type { EventContract } from '@neon/kernel';
import { Bus, type BusOptions } from './bus';

export class SignalBus {
  private bus: Bus | undefined;
  private readonly listening: ((bus: Bus) => void)[] = [];
  private readonly abort = new AbortController();
  private readonly connecting: Promise<void>;

  constructor(options: BusOptions) {
    this.connecting = Bus.connect(options, this.abort.signal).then(
      (bus) => {
        this.bus = bus;
        for (const listen of this.listening.splice(0)) listen(bus);
      },
      () => undefined,
    );
  }

  /** G1. */
  signal<T>(contract: EventContract<T>, payload: T): void {
    this.bus?.signal(contract, payload);
  }

  /** G2. */
  onSignal<T>(contract: EventContract<T>, handler: (payload: T) => void): void {
    if (this.bus === undefined) this.listening.push((bus) => void bus.onSignal(contract, handler));
    else this.bus.onSignal(contract, handler);
  }

  /** G3. */
  async close(): Promise<void> {
    this.abort.abort();
    await this.connecting;
    await this.bus?.close();
  }
}
