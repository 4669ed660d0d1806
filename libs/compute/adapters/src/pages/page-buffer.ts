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
 *   B4  Pages are given back to their source, once, when neither this buffer nor a reader holds them.
 */
import { PAGE_SIZE } from '@neon/pageserver-contract';

/** Blocks of one relation fork, next to each other, fetched by one request. */
interface Run {
  readonly relation: string;
  readonly firstBlock: number;
  readonly count: number;
  readonly pages: Promise<Uint8Array>;
  finished: boolean;
  forgotten: boolean;
  /** Blocks not handed out yet. */
  remaining: number;
  /** Reads that wait for the pages or still use them. */
  readers: number;
}

export interface Want {
  /** Names the relation fork; equal for equal forks. */
  readonly relation: string;
  readonly firstBlock: number;
  readonly count: number;
}

export interface WantSource {
  fetch(want: Want): Promise<Uint8Array>;
  giveBack(pages: Uint8Array): void;
}

export interface Taken {
  /** The pages in order, in as many pieces as requests brought them. */
  readonly pages: Uint8Array[];
  /** Blocks that were already held or in flight. */
  readonly aheadCount: number;
  /** To be called once, when `pages` have been used. */
  done(): void;
}

interface Piece {
  readonly run: Run;
  readonly firstBlock: number;
  count: number;
  readonly isNew: boolean;
}

export class PageBuffer {
  private readonly relations = new Map<string, Map<number, Run>>();
  /** Oldest first. */
  private readonly runs = new Set<Run>();
  private sizeBytes = 0;
  /** Pages fetched ahead and given up unused. */
  wastedCount = 0;

  constructor(
    private readonly source: WantSource,
    private readonly sizeBytesMax: number,
  ) {}

  /** Hands out the blocks of `want`, fetching those that nobody has asked for. Rejects as `fetch` does. */
  async take(want: Want): Promise<Taken> {
    const pieces = this.cover(want);
    const aheadCount = pieces.reduce((sum, piece) => sum + (piece.isNew ? 0 : piece.count), 0);
    for (const { run } of pieces) run.readers++;
    const done = (): void => pieces.forEach(({ run }) => this.leave(run));
    try {
      const pages = await Promise.all(
        pieces.map(async ({ run, firstBlock, count }) => {
          const at = (firstBlock - run.firstBlock) * PAGE_SIZE;
          return (await run.pages).subarray(at, at + count * PAGE_SIZE);
        }),
      );
      for (const piece of pieces) this.handOut(piece);
      return { pages, aheadCount, done };
    } catch (error) {
      done();
      throw error;
    }
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
  private cover(want: Want): Piece[] {
    const begun = new Set(this.missingIn(want).map((gap) => this.begin(gap)));
    const blocks = this.relations.get(want.relation);
    const pieces: Piece[] = [];
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
    const pages = this.source.fetch(want);
    const run: Run = { ...want, pages, finished: false, forgotten: false, remaining: want.count, readers: 0 };
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

  private handOut({ run, firstBlock, count }: Piece): void {
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
    run.forgotten = true;
    this.giveBackUnused(run);
    this.sizeBytes -= run.count * PAGE_SIZE;
    const blocks = this.relations.get(run.relation);
    for (let block = run.firstBlock; block < run.firstBlock + run.count; block++)
      if (blocks?.get(block) === run) blocks.delete(block);
    if (blocks?.size === 0) this.relations.delete(run.relation);
  }

  private leave(run: Run): void {
    run.readers--;
    this.giveBackUnused(run);
  }

  private giveBackUnused(run: Run): void {
    if (!run.forgotten || run.readers > 0) return;
    run.pages.then(
      (pages) => this.source.giveBack(pages),
      () => undefined,
    );
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
