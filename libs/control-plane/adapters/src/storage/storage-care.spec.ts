import { StorageCare } from './storage-care';

it('looks again after a while when it could not be read which branches there are', async () => {
  let nowMs = 0;
  let readCount = 0;
  const care = new StorageCare({
    storage: undefined as never,
    driver: undefined as never,
    former: { keep: () => undefined } as never,
    clock: { now: () => nowMs },
    branches: () => (++readCount === 1 ? Promise.reject(new Error('the database is away')) : Promise.resolve([])),
    onFault: () => undefined,
  });
  care.changed();
  await expect(care.look()).rejects.toThrow('the database is away');
  await care.look();
  expect(readCount).toBe(1);
  nowMs += 3_000;
  await care.look();
  expect(readCount).toBe(2);
  nowMs += 3_000;
  await care.look();
  expect(readCount).toBe(2);
});
