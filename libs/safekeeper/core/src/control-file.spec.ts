import fc from 'fast-check';
import { Membership, TermHistory } from '@neon/consensus';
import { ByteWriter, Corrupt, Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId, crc32c } from '@neon/kernel';
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
  membership: Membership.joint(
    Membership.settled(9, [
      { safekeeperId: SafekeeperId.of(2), incarnation: 'two' },
      { safekeeperId: SafekeeperId.of(3), incarnation: 'three' },
    ]),
    [{ safekeeperId: SafekeeperId.of(3), incarnation: 'three, on another disk' }],
  ),
  term: Term.of(12),
  termHistory: TermHistory.append(TermHistory.start(Lsn.of(100)), Term.of(12), Lsn.of(5000)),
  commitLsn: Lsn.of(6000),
  truncateLsn: Lsn.of(5500),
};

describe('a control file', () => {
  test('decodes to what was encoded (CF1)', () => {
    expect(decodeControlFile(encodeControlFile(STATE))).toEqual(STATE);
  });

  test('of version 1 is of a founding membership (CF3)', () => {
    const { identity, term, termHistory, commitLsn, truncateLsn } = STATE;
    const writer = new ByteWriter(256).u32(0x4e534b43).u16(1).u64(STATE.safekeeperId);
    writer.bytes(TenantId.toBytes(identity.tenantId)).bytes(TimelineId.toBytes(identity.timelineId));
    writer.u16(identity.pgMajor).u64(SystemId.toBigInt(identity.systemId)).u32(identity.walSegmentSize);
    writer.u32(9).u64(term).u64(commitLsn).u64(truncateLsn).u32(termHistory.length);
    for (const entry of termHistory) writer.u64(entry.term).u64(entry.startLsn);
    const content = writer.finish();
    const file = new ByteWriter(512).bytes(content).u32(crc32c(content)).finish();
    expect(decodeControlFile(file)).toEqual({ ...STATE, membership: Membership.founding(9) });
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
