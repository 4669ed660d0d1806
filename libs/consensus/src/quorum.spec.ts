import { quorumFullness } from './quorum';

const itself = (fullness: number): number => fullness;

describe('how full a quorum is (Q3)', () => {
  test('of three, one full safekeeper slows nobody down; a second one does', () => {
    expect(quorumFullness([[0, 10, 100]], itself)).toBe(10);
    expect(quorumFullness([[0, 100, 100]], itself)).toBe(100);
  });

  test('while the membership changes, the fuller of the two quorums counts', () => {
    expect(
      quorumFullness(
        [
          [0, 10, 20],
          [60, 70, 80],
        ],
        itself,
      ),
    ).toBe(70);
  });

  test('no set is not full', () => {
    expect(quorumFullness([], itself)).toBe(0);
  });
});
