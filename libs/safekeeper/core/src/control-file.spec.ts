import fc from 'fast-check';
import { TermHistory } from '@neon/consensus';
import { Corrupt, Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { decodeControlFile, encodeControlFile } from './control-file';

const STATE = {
  safekeeperId: SafekeeperId.of(3),
  identity: {
    tenantId: TenantId.parse('aa'.repeat(16)),
    timelineId: TimelineId.parse('bb'.repeat(16)),
    pgMajor: 17,
    systemId: SystemId.parse('18446744073709551615'),
    walSegmentSize: 16 << 20,
  },
  membershipGeneration: 9,
  term: Term.of(12),
  termHistory: TermHistory.append(TermHistory.start(Lsn.of(100)), Term.of(12), Lsn.of(5000)),
  commitLsn: Lsn.of(6000),
  truncateLsn: Lsn.of(5500),
};

describe('a control file', () => {
  test('decodes to what was encoded (CF1)', () => {
    expect(decodeControlFile(encodeControlFile(STATE))).toEqual(STATE);
  });

  test('with any byte changed, or cut, or longer, is corrupt (CF2)', () => {
    const content = encodeControlFile(STATE);
    for (let at = 0; at < content.length; at++) {
      const damaged = content.slice();
      damaged[at]! ^= 0x40;
      expect(() => decodeControlFile(damaged)).toThrow(Corrupt);
      expect(() => decodeControlFile(content.subarray(0, at))).toThrow(Corrupt);
    }
    expect(() => decodeControlFile(Buffer.concat([content, Buffer.alloc(1)]))).toThrow(Corrupt);
  });

  test('made of any other bytes is corrupt (CF2)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => decodeControlFile(bytes)).toThrow(Corrupt);
      }),
    );
  });
});
