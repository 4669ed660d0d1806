/**
 * Pages on their way to a compute's files: asked for, in flight, or come early.
 *
 * The shim keeps every page it has read, so a page is handed out once and then forgotten here; this is a bounded buffer
 * for what was fetched ahead, not a cache of what was used.
 *
 *   B1  Two wants of one block in flight are one request to storage.
 *   B2  At most `sizeBytesMax` of pages fetched ahead are held or in flight: what would not fit, with what is finished
 *       and oldest given up for it, is not fetched ahead.
 *   B3  A failed fetch is forgotten: the next want of its blocks asks again.
 */
import { PAGE_SIZE } from '@neon/pageserver-contract';

/** Blocks of one relation fork, next to each other, fetched by one request. */
interface Run {
  readonly relation: string;
  readonly firstBlock: number;
  readonly count: number;
  readonly pages: Promise<Uint8Array>;
  finished: boolean;
  /** Blocks not handed out yet. */
  remaining: number;
}

export interface Want {
  /** Names the relation fork; equal for equal forks. */
  readonly relation: string;
  readonly firstBlock: number;
  readonly count: number;
}

export type Fetch = (want: Want) => Promise<Uint8Array>;

export interface Taken {
  /** The pages in order, in as many pieces as requests brought them. */
  readonly pages: Uint8Array[];
  /** Blocks that were already held or in flight. */
  readonly aheadCount: number;
}

export class PageBuffer {
  private readonly relations = new Map<string, Map<number, Run>>();
  /** Oldest first. */
  private readonly runs = new Set<Run>();
  private sizeBytes = 0;
  /** Pages fetched ahead and given up unused. */
  wastedCount = 0;

  constructor(
    private readonly fetch: Fetch,
    private readonly sizeBytesMax: number,
  ) {}

  /** Hands out the blocks of `want`, fetching those that nobody has asked for. Rejects as `fetch` does. */
  async take(want: Want): Promise<Taken> {
    const pieces = this.cover(want);
    const aheadCount = pieces.reduce((sum, piece) => sum + (piece.isNew ? 0 : piece.count), 0);
    const pages = await Promise.all(
      pieces.map(async ({ run, firstBlock, count }) => {
        const at = (firstBlock - run.firstBlock) * PAGE_SIZE;
        return (await run.pages).subarray(at, at + count * PAGE_SIZE);
      }),
    );
    for (const piece of pieces) this.handOut(piece);
    return { pages, aheadCount };
  }

  /** Fetches ahead what nobody has asked for, as far as it fits; returns how many blocks that is. */
  ahead(want: Want): number {
    const missing = this.missingIn(want);
    let count = 0;
    for (const gap of missing) {
      if (!this.makeRoom(gap.count * PAGE_SIZE)) break;
      this.begin(gap);
      count += gap.count;
    }
    return count;
  }

  private missingIn(want: Want): Want[] {
    const blocks = this.relations.get(want.relation);
    const gaps: Want[] = [];
    const end = want.firstBlock + want.count;
    for (let block = want.firstBlock; block < end; block++) {
      if (blocks?.has(block)) continue;
      const firstBlock = block;
      while (block + 1 < end && blocks?.has(block + 1) !== true) block++;
      gaps.push({ relation: want.relation, firstBlock, count: block + 1 - firstBlock });
    }
    return gaps;
  }

  /** The runs that hold `want` between them, begun where there are none. */
  private cover(want: Want): { run: Run; firstBlock: number; count: number; isNew: boolean }[] {
    const begun = new Set(this.missingIn(want).map((gap) => this.begin(gap)));
    const blocks = this.relations.get(want.relation);
    const pieces: { run: Run; firstBlock: number; count: number; isNew: boolean }[] = [];
    for (let block = want.firstBlock; block < want.firstBlock + want.count; block++) {
      const run = blocks?.get(block);
      if (run === undefined) throw new Error(`B1: block ${block} is covered by no run`);
      const last = pieces.at(-1);
      if (last?.run === run) last.count++;
      else pieces.push({ run, firstBlock: block, count: 1, isNew: begun.has(run) });
    }
    return pieces;
  }

  private begin(want: Want): Run {
    const run: Run = { ...want, pages: this.fetch(want), finished: false, remaining: want.count };
    let blocks = this.relations.get(want.relation);
    if (blocks === undefined) this.relations.set(want.relation, (blocks = new Map()));
    for (let block = want.firstBlock; block < want.firstBlock + want.count; block++) blocks.set(block, run);
    this.runs.add(run);
    this.sizeBytes += want.count * PAGE_SIZE;
    run.pages.then(
      () => (run.finished = true),
      () => this.forget(run),
    );
    return run;
  }

  private handOut({ run, firstBlock, count }: { run: Run; firstBlock: number; count: number }): void {
    const blocks = this.relations.get(run.relation);
    for (let block = firstBlock; block < firstBlock + count; block++) {
      if (blocks?.get(block) !== run) continue;
      blocks.delete(block);
      run.remaining--;
    }
    if (run.remaining === 0) this.forget(run);
  }

  private forget(run: Run): void {
    if (!this.runs.delete(run)) return;
    this.sizeBytes -= run.count * PAGE_SIZE;
    const blocks = this.relations.get(run.relation);
    for (let block = run.firstBlock; block < run.firstBlock + run.count; block++)
      if (blocks?.get(block) === run) blocks.delete(block);
    if (blocks?.size === 0) this.relations.delete(run.relation);
  }

  private makeRoom(sizeBytes: number): boolean {
    for (const run of this.runs) {
      if (this.sizeBytes + sizeBytes <= this.sizeBytesMax) break;
      if (!run.finished) continue;
      this.wastedCount += run.remaining;
      this.forget(run);
    }
    return this.sizeBytes + sizeBytes <= this.sizeBytesMax;
  }
}
