/**
 * What safekeepers are still to be asked, while nobody waits for it.
 *
 *   E1  At most AT_ONCE are asked at the same time; one that does not report is not asked.
 *   E2  One that failed is asked again after RETRY_MS, for as long as it takes, and holds up nobody else. A fault is told again when it
 *       is another one.
 *   E3  What was added anew while it was asked for is asked once more.
 */
import type { Clock } from '@neon/kernel';

export interface ErrandsOptions<T> {
  readonly clock: Clock;
  readonly keyOf: (errand: T) => string;
  readonly isAlive: (errand: T) => boolean;
  readonly run: (errand: T) => Promise<void>;
  readonly onFault: (error: unknown, errand: T) => void;
}

interface Open<T> {
  readonly errand: T;
  readonly dueAt: number;
  readonly fault: string | undefined;
}

/** Files of many gigabytes take a while to remove, and nobody is in a hurry. */
const RETRY_MS = 30_000;
const AT_ONCE = 4;

export class Errands<T> {
  private readonly open = new Map<string, Open<T>>();

  constructor(private readonly options: ErrandsOptions<T>) {}

  /** Those that could be run, and are not done. */
  get count(): number {
    return [...this.open.values()].filter(({ errand }) => this.options.isAlive(errand)).length;
  }

  /** In the place of one with the same key, whose turn it takes. */
  add(errand: T): void {
    const key = this.options.keyOf(errand);
    const known = this.open.get(key);
    this.open.set(key, { errand, dueAt: known?.dueAt ?? 0, fault: known?.fault });
  }

  retain(isKept: (errand: T) => boolean): void {
    for (const [key, { errand }] of this.open) if (!isKept(errand)) this.open.delete(key);
  }

  done(errand: T): void {
    this.open.delete(this.options.keyOf(errand));
  }

  /** E1. */
  async look(): Promise<void> {
    const now = this.options.clock.now();
    const due = [...this.open.values()].filter(({ errand, dueAt }) => dueAt <= now && this.options.isAlive(errand));
    const next = async (): Promise<void> => {
      for (let one = due.shift(); one !== undefined; one = due.shift()) await this.attempt(one);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  }

  /** E2, E3. */
  private async attempt({ errand, fault: before }: Open<T>): Promise<void> {
    const { clock, keyOf, run, onFault } = this.options;
    const key = keyOf(errand);
    try {
      await run(errand);
      if (this.open.get(key)?.errand === errand) this.open.delete(key);
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error);
      if (fault !== before) onFault(error, errand);
      const known = this.open.get(key);
      if (known !== undefined) this.open.set(key, { ...known, fault, dueAt: clock.now() + RETRY_MS });
    }
  }
}
