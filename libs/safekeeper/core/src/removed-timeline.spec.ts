import fc from 'fast-check';
import { Membership } from '@neon/consensus';
import { ByteWriter, Corrupt, SafekeeperId, crc32c } from '@neon/kernel';
import { decodeRemovedTimeline, encodeRemovedTimeline } from './removed-timeline';

const MEMBERS = [2, 3, 4].map((id) => ({ safekeeperId: SafekeeperId.of(id), incarnation: `disk of ${id}` }));
const REMOVED = { membership: Membership.settled(7, MEMBERS) };

describe('what is left of a removed timeline', () => {
  test('decodes to what was encoded (RV1)', () => {
    expect(decodeRemovedTimeline(encodeRemovedTimeline(REMOVED))).toEqual(REMOVED);
  });

  test('with any byte changed, or cut, or longer, or made of others, is corrupt (RV2)', () => {
    const content = encodeRemovedTimeline(REMOVED);
    for (let at = 0; at < content.length; at++) {
      const damaged = content.slice();
      damaged[at]! ^= 0x40;
      expect(() => decodeRemovedTimeline(damaged)).toThrow(Corrupt);
      expect(() => decodeRemovedTimeline(content.subarray(0, at))).toThrow(Corrupt);
    }
    expect(() => decodeRemovedTimeline(Buffer.concat([content, Buffer.alloc(1)]))).toThrow(Corrupt);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => decodeRemovedTimeline(bytes)).toThrow(Corrupt);
      }),
    );
  });

  test('of another version, or without a list of members, is corrupt (RV2)', () => {
    const made = (version: number, kind: number): Uint8Array => {
      const content = new ByteWriter(16).u32(0x4e534b52).u16(version).u32(7).u8(kind).finish();
      return new ByteWriter(32).bytes(content).u32(crc32c(content)).finish();
    };
    expect(() => decodeRemovedTimeline(made(2, 0))).toThrow('version 2');
    expect(() => decodeRemovedTimeline(made(1, 0))).toThrow('without its members');
  });
});
