import { Corrupt, SafekeeperId } from '@neon/kernel';
import { decodeSafekeeperIdentity, encodeSafekeeperIdentity } from './safekeeper-identity';

describe('the identity file', () => {
  const identity = { id: SafekeeperId.of(7), incarnation: '0b9c9f6e-58b5-4d0e-9f0e-3f1b8d3f7a11' };
  const bytes = encodeSafekeeperIdentity(identity);

  test('is read back as it was written (SI1)', () => {
    expect(decodeSafekeeperIdentity(bytes)).toEqual(identity);
  });

  test('is corrupt with any byte changed, and when cut anywhere (SI1)', () => {
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      expect(() => decodeSafekeeperIdentity(changed)).toThrow(Corrupt);
      expect(() => decodeSafekeeperIdentity(bytes.subarray(0, at))).toThrow(Corrupt);
    }
  });
});
