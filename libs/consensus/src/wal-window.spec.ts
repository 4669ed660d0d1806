import fc from 'fast-check';
import { Lsn } from '@neon/kernel';
import { APPEND_SIZE_MAX } from './message';
import { WalWindow } from './wal-window';

describe('the WAL window', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), size: fc.nat(2 * APPEND_SIZE_MAX) }),
    fc.record({ kind: fc.constant('drop' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );

  test('holds what was appended and not dropped, whatever the sizes (W1)', () => {
    fc.assert(
      fc.property(fc.nat(3 * APPEND_SIZE_MAX), fc.array(step, { maxLength: 12 }), (start, steps) => {
        let window = WalWindow.empty(Lsn.of(start));
        const byteAt = (lsn: number) => (lsn * 31 + (lsn >> 8)) & 0xff;
        for (const action of steps) {
          if (action.kind === 'append') {
            const from = window.endLsn;
            window = WalWindow.append(
              window,
              from,
              Uint8Array.from({ length: action.size }, (_, i) => byteAt(from + i)),
            );
          } else {
            const size = WalWindow.size(window);
            window = WalWindow.dropBelow(window, Lsn.advance(window.startLsn, Math.floor(size * action.share)));
          }
          for (let lsn = window.startLsn; lsn < window.endLsn;) {
            const piece = WalWindow.slice(window, lsn, 50_000);
            expect(piece.length).toBeGreaterThan(0);
            expect([piece[0], piece.at(-1)]).toEqual([byteAt(lsn), byteAt(lsn + piece.length - 1)]);
            lsn = Lsn.advance(lsn, piece.length);
          }
          expect(WalWindow.slice(window, window.endLsn, 10)).toHaveLength(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('an earlier window keeps its bytes while a later one grows (W2)', () => {
    const first = WalWindow.append(WalWindow.empty(Lsn.ZERO), Lsn.ZERO, Uint8Array.of(1, 2, 3));
    WalWindow.append(first, Lsn.of(3), Uint8Array.of(4, 5));
    expect([first.endLsn, [...WalWindow.slice(first, Lsn.ZERO, 10)]]).toEqual([3, [1, 2, 3]]);
  });

  test('refuses WAL that does not begin at its end (W1)', () => {
    expect(() => WalWindow.append(WalWindow.empty(Lsn.of(5)), Lsn.of(6), Uint8Array.of(1))).toThrow('W1');
  });
});
