import { PAGE_SIZE } from '@neon/pageserver-contract';
import { PageBuffer, type Want } from './page-buffer';

/** A storage whose page `n` of any relation begins with the byte `n`; answers when told to. */
class Storage {
  readonly asked: string[] = [];
  private release: (() => void)[] = [];
  failing = false;

  readonly givenBack: number[] = [];
  readonly fetch = async ({ relation, firstBlock, count }: Want): Promise<Uint8Array> => {
    this.asked.push(`${relation} ${firstBlock}+${count}`);
    await new Promise<void>((resolve) => this.release.push(resolve));
    if (this.failing) throw new Error('storage is away');
    const pages = new Uint8Array(count * PAGE_SIZE);
    for (let i = 0; i < count; i++) pages[i * PAGE_SIZE] = firstBlock + i;
    return pages;
  };

  giveBack(pages: Uint8Array): void {
    this.givenBack.push(pages.length / PAGE_SIZE);
  }

  async answer(): Promise<void> {
    this.release.splice(0).forEach((release) => release());
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const blocksOf = (pieces: readonly Uint8Array[]): number[] =>
  pieces.flatMap((piece) => Array.from({ length: piece.length / PAGE_SIZE }, (_, i) => piece[i * PAGE_SIZE] ?? -1));
const want = (firstBlock: number, count: number, relation = 'r'): Want => ({ relation, firstBlock, count });

describe('the page buffer', () => {
  test('B1: a read that overlaps what is in flight asks only for the rest', async () => {
    const storage = new Storage();
    const buffer = new PageBuffer(storage, 1 << 20);
    expect(buffer.ahead(want(4, 4))).toBe(4);
    const taken = buffer.take(want(2, 8));
    expect(storage.asked).toEqual(['r 4+4', 'r 2+2', 'r 8+2']);
    await storage.answer();
    const { pages, aheadCount } = await taken;
    expect(blocksOf(pages)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(aheadCount).toBe(4);
  });

  test('two reads of one block in flight are one request, and both get it', async () => {
    const storage = new Storage();
    const buffer = new PageBuffer(storage, 1 << 20);
    const both = Promise.all([buffer.take(want(1, 1)), buffer.take(want(1, 1))]);
    await storage.answer();
    expect((await both).map(({ pages }) => blocksOf(pages))).toEqual([[1], [1]]);
    expect(storage.asked).toEqual(['r 1+1']);
  });

  test('a page is handed out once and then forgotten', async () => {
    const storage = new Storage();
    const buffer = new PageBuffer(storage, 2 * PAGE_SIZE);
    for (let round = 0; round < 3; round++) {
      expect(buffer.ahead(want(0, 2))).toBe(2);
      await storage.answer();
      expect(blocksOf((await buffer.take(want(0, 2))).pages)).toEqual([0, 1]);
    }
    expect(storage.asked.length).toBe(3);
    expect(buffer.wastedCount).toBe(0);
  });

  test('B2: what does not fit is not fetched ahead, but the oldest finished pages make room', async () => {
    const storage = new Storage();
    const buffer = new PageBuffer(storage, 4 * PAGE_SIZE);
    expect(buffer.ahead(want(0, 3))).toBe(3);
    expect(buffer.ahead(want(10, 2))).toBe(0);
    await storage.answer();
    expect(buffer.ahead(want(10, 2))).toBe(2);
    expect(buffer.wastedCount).toBe(3);
    await storage.answer();
    expect(blocksOf((await buffer.take(want(10, 2))).pages)).toEqual([10, 11]);
  });

  test('B3: a failed fetch fails its reads and is asked again by the next', async () => {
    const storage = new Storage();
    const buffer = new PageBuffer(storage, 1 << 20);
    storage.failing = true;
    buffer.ahead(want(0, 2));
    const failed = expect(buffer.take(want(0, 1))).rejects.toThrow('storage is away');
    await storage.answer();
    await failed;
    storage.failing = false;
    const taken = buffer.take(want(0, 1));
    await storage.answer();
    expect(blocksOf((await taken).pages)).toEqual([0]);
    expect(storage.asked).toEqual(['r 0+2', 'r 0+1']);
  });

  test('B4: pages are given back when the last reader is done, and never before', async () => {
    const storage = new Storage();
    const buffer = new PageBuffer(storage, 1 << 20);
    buffer.ahead(want(0, 4));
    await storage.answer();
    const [left, right] = [await buffer.take(want(0, 2)), await buffer.take(want(2, 2))];
    right.done();
    await storage.answer();
    expect(storage.givenBack).toEqual([]);
    left.done();
    await storage.answer();
    expect(storage.givenBack).toEqual([4]);
  });

  test('B4: pages given up for others are given back', async () => {
    const storage = new Storage();
    const buffer = new PageBuffer(storage, 4 * PAGE_SIZE);
    buffer.ahead(want(0, 3));
    await storage.answer();
    buffer.ahead(want(10, 2));
    await storage.answer();
    expect(storage.givenBack).toEqual([3]);
  });

  test('equal blocks of different relations are different pages', async () => {
    const storage = new Storage();
    const buffer = new PageBuffer(storage, 1 << 20);
    buffer.ahead(want(0, 1, 'a'));
    const taken = buffer.take(want(0, 1, 'b'));
    await storage.answer();
    await taken;
    expect(storage.asked).toEqual(['a 0+1', 'b 0+1']);
  });
});
