/** The number a proposer is elected for: a whole number that only grows. 0 is "before any election". */
declare const brand: unique symbol;
export type Term = number & { readonly [brand]: 'Term' };

export const Term = {
  ZERO: 0 as Term,
  /** @throws RangeError when `value` is not a whole number in [0, 2^53). */
  of(value: number): Term {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`term out of range: ${value}`);
    return value as Term;
  },
  next: (term: Term): Term => Term.of(term + 1),
};
