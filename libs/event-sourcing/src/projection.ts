/**
 * Projections: what is derived from the events, kept up to date from a checkpoint.
 *
 *   P1  An event is applied in the same transaction as the checkpoint that says so: exactly once for what the
 *       transaction holds, at least once for anything else, so side effects outside it must be idempotent.
 *   P2  Events are applied in the order of their positions.
 *   P3  A projection can be rebuilt from zero at any time; the result is the same.
 */
import type { EventStore, RecordedEvent } from './event-store';

export interface Projection<Transaction> {
  readonly name: string;
  apply(event: RecordedEvent, transaction: Transaction): Promise<void>;
  /** Removes what was derived. */
  clear(transaction: Transaction): Promise<void>;
}

export abstract class CheckpointStore<Transaction> {
  /** Runs `work` with the checkpoint locked; what it returns becomes the checkpoint when the transaction commits. */
  abstract advance(
    name: string,
    work: (checkpoint: number, transaction: Transaction) => Promise<number>,
  ): Promise<number>;
}

/** Events per transaction: bounds its time and memory. */
const BATCH_MAX = 200;

export class ProjectionRunner<Transaction> {
  private position = 0;
  private running: Promise<void> | null = null;
  private next: Promise<void> | null = null;

  constructor(
    private readonly projection: Projection<Transaction>,
    private readonly events: EventStore,
    private readonly checkpoints: CheckpointStore<Transaction>,
  ) {}

  /** Applies all there is. A call while one runs waits for one that starts after it. */
  catchUp(): Promise<void> {
    if (this.running === null) {
      this.running = this.drain().finally(() => {
        this.running = null;
      });
      return this.running;
    }
    const running = this.running;
    this.next ??= running
      .catch(() => undefined)
      .then(() => {
        this.next = null;
        return this.catchUp();
      });
    return this.next;
  }

  /** Resolves when the event at `position` has been applied, by this process or another. */
  async waitFor(position: number): Promise<void> {
    if (this.position < position) await this.catchUp();
  }

  /** P3. */
  async rebuild(): Promise<void> {
    await this.checkpoints.advance(this.projection.name, async (_checkpoint, transaction) => {
      await this.projection.clear(transaction);
      return 0;
    });
    this.position = 0;
    await this.catchUp();
  }

  private async drain(): Promise<void> {
    for (;;) {
      let count = 0;
      this.position = await this.checkpoints.advance(this.projection.name, async (checkpoint, transaction) => {
        const batch = await this.events.readAll(checkpoint, BATCH_MAX);
        for (const event of batch) await this.projection.apply(event, transaction);
        count = batch.length;
        return batch.at(-1)?.position ?? checkpoint;
      });
      if (count < BATCH_MAX) return;
    }
  }
}

/** Checkpoints in memory; `transaction` is handed to every `work`, and nothing is undone when one fails. */
export class MemoryCheckpointStore<Transaction> extends CheckpointStore<Transaction> {
  private readonly positions = new Map<string, number>();

  constructor(private readonly transaction: Transaction) {
    super();
  }

  override async advance(
    name: string,
    work: (checkpoint: number, transaction: Transaction) => Promise<number>,
  ): Promise<number> {
    const position = await work(this.positions.get(name) ?? 0, this.transaction);
    this.positions.set(name, position);
    return position;
  }
}
