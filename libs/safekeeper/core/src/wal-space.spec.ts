import { FULL } from '@neon/consensus';
import { WalSpace, diskFullness } from './wal-space';

const LIMITS = { safekeeperBytesMax: 1_000, timelineBytesMax: 400 };

describe('the space for WAL', () => {
  test('is full for a timeline that has reached its limit, and for no other (WS1)', () => {
    const space = new WalSpace(LIMITS);
    const [first, second] = [space.account(), space.account()];
    first.set(399);
    expect(first.fullness).toBe(99);
    first.set(400);
    expect([first.fullness, second.fullness, space.fullness]).toEqual([FULL, 40, 40]);
  });

  test('is full for all when together they have reached the limit (WS1)', () => {
    const space = new WalSpace(LIMITS);
    const accounts = [350, 350, 300].map((bytes) => {
      const account = space.account();
      account.set(bytes);
      return account;
    });
    expect(accounts.map(({ fullness }) => fullness)).toEqual([FULL, FULL, FULL]);
    expect(space.keptBytes).toBe(1_000);
  });

  test('is full for all when the disk is, and rises before (WS1, WS2)', () => {
    const space = new WalSpace();
    const account = space.account();
    const seen = [1_000, 400, 200, 101, 100, 0].map((freeBytes) => {
      space.setDiskFullness(diskFullness(freeBytes, 100));
      return account.fullness;
    });
    expect(seen).toEqual([10, 25, 50, 99, FULL, FULL]);
  });

  test('is never full without limits, whatever is kept', () => {
    const account = new WalSpace().account();
    account.set(Number.MAX_SAFE_INTEGER);
    expect(account.fullness).toBe(0);
  });

  test('calls those who wait when some is given back, by a timeline or on the disk (WS3)', () => {
    const space = new WalSpace(LIMITS);
    const account = space.account();
    let calls = 0;
    const stop = space.onRoom(() => void calls++);
    account.set(400);
    space.setDiskFullness(FULL);
    expect(calls).toBe(0);
    account.set(300);
    space.setDiskFullness(20);
    expect(calls).toBe(2);
    stop();
    account.set(0);
    expect(calls).toBe(2);
  });
});
