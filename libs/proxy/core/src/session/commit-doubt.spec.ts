import fc from 'fast-check';
import { encodeMessage, encodeNoticeResponse } from '@neon/postgres';
import { CommitDoubt } from './commit-doubt';

const fields = (...texts: string[]) => encodeMessage('N', Buffer.from(`${texts.join('\0')}\0\0`));
const GIVEN_UP = fields(
  'SWARNUNG',
  'VWARNING',
  'C01000',
  'Mcanceling wait for synchronous replication due to user request',
  'Fsyncrep.c',
  'L312',
  'RSyncRepWaitForLSN',
);
const COMPLETE = encodeMessage('C', Buffer.from('INSERT 0 1\0'));

/** Where it ends in the whole, when it comes in chunks that end at `cuts`. */
function endOf(whole: Uint8Array, cuts: readonly number[] = []): number | undefined {
  const doubt = new CommitDoubt();
  const ends = [...cuts.map((cut) => cut % whole.length), whole.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    const found = doubt.endOf(whole.subarray(start, end));
    if (found !== undefined) return start + found;
    start = end;
  }
  return undefined;
}

const message = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((payload) => encodeMessage('D', payload)),
  fc.constant(encodeMessage('D', GIVEN_UP)),
  fc.constant(encodeMessage('I', new Uint8Array(0))),
  fc.constant(encodeNoticeResponse({ severity: 'NOTICE', sqlState: '00000', message: 'RSyncRepWaitForLSN' })),
  fc.constant(fields('MRSyncRepWaitForLSN', 'Rexec_stmt_raise')),
  fc.constant(COMPLETE),
);

describe('a commit in doubt', () => {
  it('is found where the notice ends, however the bytes come (D1)', () => {
    fc.assert(
      fc.property(fc.array(message), fc.array(fc.nat()), (before, cuts) => {
        const head = Buffer.concat([...before, GIVEN_UP]);
        expect(endOf(Buffer.concat([head, COMPLETE]), cuts)).toBe(head.length);
      }),
    );
  });

  it('is nowhere else, whatever the data hold (D1)', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1 }), fc.array(fc.nat()), (messages, cuts) => {
        expect(endOf(Buffer.concat(messages), cuts)).toBeUndefined();
      }),
    );
  });
});
