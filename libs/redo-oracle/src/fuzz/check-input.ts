import { checkDelta, checkRecord } from './check-record';
import { checkStream } from './check-stream';
import type { FuzzInput } from './input';

/** @throws Violation when a promise of `violation` does not hold for the input */
export function checkInput(input: FuzzInput): void {
  switch (input.kind) {
    case 'stream':
      return checkStream(input);
    case 'record':
      return checkRecord(input);
    case 'delta':
      return checkDelta(input);
  }
}
