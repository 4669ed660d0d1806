/**
 * The inputs of an acceptor, one after the other.
 *
 *   IL1  An input is stepped when everything that the one before it asked for is done; its effects are performed in order.
 *   IL2  All of that is synchronous until an effect, or what an input needs first, has to be waited for.
 *   IL3  After a failure, or `stop`, nothing is stepped or performed any more.
 */
import type { AcceptorEffect, AcceptorInput } from '@neon/consensus';

export interface InputLoopOptions {
  step(input: AcceptorInput): readonly AcceptorEffect[];
  /** What must be done before the effects behind it; undefined: nothing more. */
  perform(effect: AcceptorEffect): Promise<void> | undefined;
  /** What must be done before the input may be stepped; undefined: nothing. */
  prepare(input: AcceptorInput): Promise<void> | undefined;
  /** Everything that the last input asked for is done. */
  onPerformed(): void;
  /** Nothing waits any more. */
  onIdle(): void;
  onFailed(error: unknown): void;
}

export class InputLoop {
  private readonly inputs: AcceptorInput[] = [];
  private effects: readonly AcceptorEffect[] = [];
  private nextEffect = 0;
  private isRunning = false;
  private isStopped = false;

  constructor(private readonly options: InputLoopOptions) {}

  /** Nothing waits, and nothing is under way. */
  get isIdle(): boolean {
    return !this.isRunning;
  }

  get waitingCount(): number {
    return this.inputs.length;
  }

  push(input: AcceptorInput): void {
    if (this.isStopped) return;
    this.inputs.push(input);
    this.run();
  }

  /** Between two inputs, and not at all when one waits. Resolves when it is over, whatever came of it: its failure is the loop's. */
  async alone(work: () => Promise<void>): Promise<void> {
    if (this.isRunning || this.inputs.length > 0 || this.isStopped) return;
    this.isRunning = true;
    const done = work();
    this.resumeAfter(done);
    await done.catch(() => undefined);
  }

  /** IL3. */
  stop(): void {
    this.isStopped = true;
    this.inputs.length = 0;
  }

  /** IL1, IL2. */
  private run(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      for (;;) {
        const effect = this.effects[this.nextEffect];
        if (effect !== undefined) {
          this.nextEffect++;
          const pending = this.options.perform(effect);
          if (pending === undefined) continue;
          return this.resumeAfter(pending);
        }
        this.options.onPerformed();
        const [input] = this.inputs;
        if (input === undefined || this.isStopped) break;
        const preparing = this.options.prepare(input);
        if (preparing !== undefined) return this.resumeAfter(preparing);
        this.inputs.shift();
        this.effects = this.options.step(input);
        this.nextEffect = 0;
      }
    } catch (error) {
      return this.options.onFailed(error);
    }
    this.isRunning = false;
    this.options.onIdle();
  }

  private resumeAfter(pending: Promise<void>): void {
    pending.then(
      () => {
        this.isRunning = false;
        if (!this.isStopped) this.run();
      },
      (error: unknown) => this.options.onFailed(error),
    );
  }
}
