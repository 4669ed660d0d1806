import { decodeWireInput, encodeWireInput } from './corpus';
import { type WireFailure, runWireFuzz, wireCase } from './wire-fuzz';

describe('the wire fuzzer (WF6)', () => {
  test('makes the same case of the same seed, and others of others', () => {
    for (let seed = 1; seed < 30; seed++) {
      expect(wireCase(seed)).toEqual(wireCase(seed));
      expect(wireCase(seed)).not.toEqual(wireCase(seed + 1));
    }
  });

  test('keeps an input as text that gives it back, and takes no other text for one', () => {
    for (let seed = 1; seed < 30; seed++)
      expect(decodeWireInput(encodeWireInput(wireCase(seed)))).toEqual(wireCase(seed));
    expect(() => decodeWireInput('{"kind":"of liar"}')).toThrow(SyntaxError);
  });

  test('goes on after a failure, tells each kind once, and counts all', () => {
    const failures: WireFailure[] = [];
    const check = ({ kind, seed }: { kind: string; seed: number }): void => {
      if (kind === 'of liar') throw new Error(`case ${seed} is a lie`);
    };
    const result = runWireFuzz({
      seed: 7,
      more: (count) => count < 50,
      failed: (failure) => failures.push(failure),
      check,
    });
    expect(result.caseCount).toBe(50);
    expect(result.failureCount).toBeGreaterThan(1);
    expect(failures).toHaveLength(1);
    expect(failures[0]?.input).toEqual(wireCase(failures[0]?.seed ?? 0));
  });
});
