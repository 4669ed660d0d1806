/**
 * Bytes that tell when they are touched outside the ranges that the code under test may touch: plain typed arrays read
 * `undefined` there, ignore what is written, and clamp ranges, all without a word.
 *
 *   G1  An index outside the ranges, and a method's range that is not within one of them, is a `Trespass`.
 *   G2  A range that ends before it begins, or an index that is no number, is one too.
 */
export class Trespass extends Error {
  override readonly name = 'Trespass';
}

export interface Range {
  readonly start: number;
  readonly end: number;
}

type Method = (...args: readonly (number | undefined)[]) => unknown;

export function guardedBytes(bytes: Uint8Array, ranges: readonly Range[]): Uint8Array {
  const check = (what: string, start: number, end: number): void => {
    if (start === end && start >= 0 && end <= bytes.length) return;
    if (!(start <= end) || !ranges.some((range) => start >= range.start && end <= range.end))
      throw new Trespass(`${what} of bytes ${start} to ${end}`);
  };
  const index = (what: string, key: string | symbol): boolean => {
    if (typeof key !== 'string' || !/^(-?[\d.e+]+|NaN|-?Infinity|undefined)$/.test(key)) return false;
    check(what, Number(key), Number(key) + 1);
    return true;
  };
  const bounded =
    (name: string, method: Method): Method =>
    (...args) => {
      const [first, second, third] = args;
      if (name === 'subarray' || name === 'slice') check(name, first ?? 0, second ?? bytes.length);
      if (name === 'fill') check(name, second ?? 0, third ?? bytes.length);
      if (name === 'copyWithin') {
        const size = (third ?? bytes.length) - (second ?? 0);
        check(`${name} from`, second ?? 0, third ?? bytes.length);
        check(`${name} to`, first ?? 0, (first ?? 0) + Math.max(0, size));
      }
      return method.apply(bytes, [...args]);
    };
  return new Proxy(bytes, {
    get(_target, key) {
      if (index('read', key)) return bytes[Number(key)];
      const value: unknown = Reflect.get(bytes, key, bytes);
      return typeof value === 'function' ? bounded(String(key), value as Method) : value;
    },
    set(_target, key, value: number) {
      if (index('write', key)) bytes[Number(key)] = value;
      return true;
    },
  });
}
