import { join } from 'node:path';
import { readFailed } from './corpus';
import { type WireFailure, checkWireInput, recordedConversation, runWireFuzz } from './wire-fuzz';

const CASES = 6_000;

describe('mutated conversations of proposers and safekeepers', () => {
  it('WF1–WF5: hold for whatever comes', () => {
    const failures: WireFailure[] = [];
    const result = runWireFuzz({
      seed: 1,
      more: (count) => count < CASES,
      failed: (failure) => failures.push(failure),
    });
    expect(failures.map(({ seed, violation }) => `seed ${seed}: ${violation}`)).toEqual([]);
    expect(result).toEqual({ caseCount: CASES, failureCount: 0 });
  });

  it('begin from one in which everything is committed', () => {
    const { asked, answered, commitLsn, endLsn, isDeposed } = recordedConversation();
    expect([commitLsn, isDeposed]).toEqual([endLsn, false]);
    expect(asked.length).toBeGreaterThan(10);
    expect(answered.length).toBeGreaterThan(5);
  });

  it('hold for what once broke one', () => {
    const failed = readFailed(join(__dirname, 'corpus/failed'));
    expect(failed.length).toBeGreaterThan(0);
    for (const { input } of failed) checkWireInput(input);
  });
});
