import { FULL } from '@neon/consensus';
import { WalSpace } from '@neon/safekeeper-core';
import { type DiskRoom, DiskWatch, ROOM_AGAIN_BYTES } from './disk-watch';

describe('the watch over a disk', () => {
  const space = new WalSpace();
  let free: number | Error;
  let said: string[];
  let watch: DiskWatch;

  beforeEach(async () => {
    free = 1_000;
    said = [];
    const look = (): Promise<DiskRoom> =>
      typeof free === 'number' ? Promise.resolve({ freeBytes: free, sizeBytes: 2_000 }) : Promise.reject(free);
    watch = await DiskWatch.start({
      space,
      freeBytesMin: 100,
      look,
      onFull: ({ freeBytes }) => void said.push(`full at ${freeBytes}`),
      onRoom: ({ freeBytes }) => void said.push(`room at ${freeBytes}`),
    });
  });
  afterEach(() => watch.stop());

  async function look(seen: number | Error): Promise<number> {
    free = seen;
    await watch.check();
    return space.fullness;
  }

  test('closes the space at the reserve, and opens it when there is more than a little (DW1)', async () => {
    expect([await look(101), await look(100), await look(0), await look(101)]).toEqual([99, FULL, FULL, FULL]);
    expect(await look(100 + ROOM_AGAIN_BYTES)).toBe(FULL);
    expect(await look(101 + ROOM_AGAIN_BYTES)).toBe(0);
    expect(watch.room).toEqual({ freeBytes: 101 + ROOM_AGAIN_BYTES, sizeBytes: 2_000 });
  });

  test('says once that it is full, and once that it is not (DW2)', async () => {
    for (const seen of [500, 90, 80, 90, 500, 2 * ROOM_AGAIN_BYTES, 600, 10]) await look(seen);
    expect(said).toEqual(['full at 90', `room at ${2 * ROOM_AGAIN_BYTES}`, 'full at 10']);
  });

  test('changes nothing when it cannot look (DW3)', async () => {
    await look(90);
    expect(await look(new Error('EIO'))).toBe(FULL);
    expect(said).toEqual(['full at 90']);
  });
});
