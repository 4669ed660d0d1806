/** Values by number: equal ones have one, so that a state of the model is a few numbers and a step is looked up. */
export class Interner<T> {
  private readonly numbers = new Map<string, number>();
  private readonly values: T[] = [];

  /** @param textOf equal for equal values, and for no others */
  constructor(private readonly textOf: (value: T) => string) {}

  number(value: T): number {
    const text = this.textOf(value);
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.numbers.set(text, this.values.length);
    return this.values.push(value) - 1;
  }

  value(number: number): T {
    const value = this.values[number];
    if (value === undefined) throw new RangeError(`nothing has number ${number}`);
    return value;
  }

  get count(): number {
    return this.values.length;
  }
}

/** A function of two numbers, computed once. */
export class Memo<T> {
  private readonly results = new Map<number, T>();

  constructor(private readonly compute: (a: number, b: number) => T) {}

  get(a: number, b: number): T {
    const key = a * 0x100_0000 + b;
    let result = this.results.get(key);
    if (result === undefined) {
      result = this.compute(a, b);
      this.results.set(key, result);
    }
    return result;
  }
}
