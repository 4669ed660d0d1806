import { Refusal, Unavailable } from '@neon/kernel';
import { afterFailure } from './retry';

const verdict = (error: unknown, failuresCount = 0) =>
  afterFailure(error, { action: 'create_branch', failuresCount }, { canBeAskedAgain: true }).kind;

it('R1: tries again what time may cure, such as a pageserver that has yet to ingest the branch point', () => {
  expect(verdict(new Unavailable('gone'))).toBe('retry');
  expect(verdict(new Refusal('LsnNotReached'))).toBe('retry');
});

it('R2, R3: gives up in the end, and at once where trying again would only repeat the refusal', () => {
  expect(verdict(new Refusal('LsnNotReached'), 1_000)).toBe('fail');
  expect(verdict(new Refusal('LsnBeforeHistory'))).toBe('fail');
});
