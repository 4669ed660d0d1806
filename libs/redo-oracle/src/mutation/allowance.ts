/** How often something may be done for a mutant, counted apart for each `at`, a number of 32 bits. */
export class Allowance {
  private readonly taken = new Map<number, number>();

  constructor(private readonly maxOf: (id: number) => number) {}

  /** Whether it may be done once more. */
  take(id: number, at: number): boolean {
    const key = id * 2 ** 32 + (at >>> 0);
    const count = this.taken.get(key) ?? 0;
    if (count >= this.maxOf(id)) return false;
    this.taken.set(key, count + 1);
    return true;
  }
}
