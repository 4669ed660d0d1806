import fc from 'fast-check';
import { Lsn } from '@neon/kernel';
import { type TrimPositions, trimHorizon, trimTarget } from './trim';

const MEGABYTE = 1024 * 1024;
const at = (megabytes: number): Lsn => Lsn.of(megabytes * MEGABYTE);

const POSITIONS: TrimPositions = {
  trimmedLsn: at(10),
  durableCommitLsn: at(50),
  truncateLsn: at(50),
  remoteConsistentLsn: at(50),
  archivedLsn: at(50),
  readerLsns: [at(50)],
};

describe('the trim horizon', () => {
  test.each([
    ['commit', { durableCommitLsn: at(20) }],
    ['peer', { truncateLsn: at(20) }],
    ['pageserver', { remoteConsistentLsn: at(20) }],
    ['archive', { archivedLsn: at(20) }],
    ['reader', { readerLsns: [at(30), at(20)] }],
  ])('is held by the one that lags: %s (TR1)', (heldBy, change) => {
    expect(trimHorizon({ ...POSITIONS, ...change }, 'kept')).toEqual({ lsn: at(20), heldBy });
  });

  test('stays where it is without an archive, unless the settings let it follow the pageserver (TR2)', () => {
    const positions = { ...POSITIONS, archivedLsn: null, remoteConsistentLsn: at(30) };
    expect(trimHorizon(positions, 'kept')).toEqual({ lsn: at(10), heldBy: 'setting' });
    expect(trimHorizon(positions, 'trimmed')).toEqual({ lsn: at(30), heldBy: 'pageserver' });
  });

  test('stays where it is before the pageserver has said anything (TR1)', () => {
    const positions = { ...POSITIONS, remoteConsistentLsn: Lsn.ZERO };
    expect(trimHorizon(positions, 'kept')).toEqual({ lsn: at(10), heldBy: 'pageserver' });
  });

  test('only whole segments lie below the target, which never falls and never passes anybody (TR1, TR3)', () => {
    const lsn = fc.nat(1_000 * MEGABYTE).map((value) => Lsn.of(value));
    const positions = fc.record({
      trimmedLsn: fc.nat(1_000).map(at),
      durableCommitLsn: lsn,
      truncateLsn: lsn,
      remoteConsistentLsn: lsn,
      archivedLsn: fc.option(lsn),
      readerLsns: fc.array(lsn),
    });
    fc.assert(
      fc.property(positions, fc.constantFrom('kept' as const, 'trimmed' as const), (given, unarchived) => {
        const target = trimTarget(given, unarchived, MEGABYTE);
        expect(target % MEGABYTE).toBe(0);
        expect(target).toBeGreaterThanOrEqual(given.trimmedLsn);
        if (target === given.trimmedLsn) return;
        const { durableCommitLsn, truncateLsn, remoteConsistentLsn, archivedLsn, readerLsns } = given;
        for (const bound of [durableCommitLsn, truncateLsn, remoteConsistentLsn, ...readerLsns])
          expect(target).toBeLessThanOrEqual(bound);
        if (archivedLsn !== null) expect(target).toBeLessThanOrEqual(archivedLsn);
        expect(archivedLsn !== null || unarchived === 'trimmed').toBe(true);
      }),
    );
  });
});
