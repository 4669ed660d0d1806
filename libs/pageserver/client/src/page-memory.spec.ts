import { PAGE_SIZE } from '@neon/pageserver-contract';
import { PageMemory } from './page-memory';

describe('memory for page answers', () => {
  test('M1: memory given back is lent again, at any length that fits', () => {
    const memory = new PageMemory();
    const first = memory.borrow(6 + 100 * PAGE_SIZE);
    memory.giveBack(first.subarray(6));
    const second = memory.borrow(6 + 128 * PAGE_SIZE);
    expect(second.buffer).toBe(first.buffer);
    expect(second.length).toBe(6 + 128 * PAGE_SIZE);
    expect(memory.borrow(6 + 128 * PAGE_SIZE).buffer).not.toBe(first.buffer);
  });

  test('M1: giving back twice, or what was not lent, lends nothing twice', () => {
    const memory = new PageMemory();
    const lent = memory.borrow(PAGE_SIZE);
    memory.giveBack(lent);
    memory.giveBack(lent);
    memory.giveBack(Buffer.alloc(PAGE_SIZE + 64));
    const buffers = [memory.borrow(PAGE_SIZE).buffer, memory.borrow(PAGE_SIZE).buffer];
    expect(buffers[0]).toBe(lent.buffer);
    expect(buffers[1]).not.toBe(lent.buffer);
  });

  test('M2: what would exceed the limit is not kept', () => {
    const memory = new PageMemory(PAGE_SIZE + 64);
    const [kept, dropped] = [memory.borrow(PAGE_SIZE), memory.borrow(PAGE_SIZE)];
    memory.giveBack(kept);
    memory.giveBack(dropped);
    expect(memory.borrow(PAGE_SIZE).buffer).toBe(kept.buffer);
    expect(memory.borrow(PAGE_SIZE).buffer).not.toBe(dropped.buffer);
  });
});
