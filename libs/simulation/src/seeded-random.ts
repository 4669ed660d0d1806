/** Chance that a seed determines: the same seed gives the same numbers on every machine (sfc32). */
import { Random } from '@neon/kernel';

export class SeededRandom extends Random {
  private a: number;
  private b = 0x9e3779b9;
  private c = 0x243f6a88;
  private counter = 1;

  constructor(readonly seed: number) {
    super();
    this.a = seed | 0;
    for (let i = 0; i < 16; i++) this.u32();
  }

  private u32(): number {
    const result = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + result;
    return result >>> 0;
  }

  /** In [0, 1). */
  unit = (): number => this.u32() / 0x1_0000_0000;

  /** A whole number in [low, high). */
  between = (low: number, high: number): number => low + Math.floor(this.unit() * (high - low));

  chance = (probability: number): boolean => this.unit() < probability;

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.between(0, items.length)] ?? items[0];
  }

  override bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => this.between(0, 256));
}
