/**
 * Exhaustive search: every world that can be reached within the bounds, breadth first, each once.
 *
 *   Z1  No invariant is broken in any of them; else the shortest way there is told.
 *
 * Invariants, as in the published TLA+ model: a term is won at most once (ElectionSafetyFull); what is committed at one LSN
 * is one entry (LogSafety); terms never fall along a log (LogIsMonotonic); a quorum holds what is committed
 * (CommittedNotTruncated, where the membership is fixed); and of our own: each entry is of the term that the history says, an acceptor takes nothing for committed that is not, and no assertion of the step functions fails.
 *
 * @example checkModel({ size, report: console.log }) // { states: …, broken: undefined }
 */
import { Canon } from './canon';
import { Fingerprints } from './fingerprints';
import type { Mutant } from '../consensus/mutant';
import { BrokenInvariant, Model, type ModelSize, type Successor } from './world';

export interface ModelCheckOptions {
  readonly size: ModelSize;
  readonly mutant?: Mutant;
  /** The search ends here, unfinished. */
  readonly statesMax?: number;
  /** Called with a line of text at each depth. */
  readonly report?: (line: string) => void;
}

export interface ModelCheckResult {
  /** Different ones, up to who is who. */
  readonly states: number;
  /** Steps taken. */
  readonly generated: number;
  readonly depth: number;
  readonly isComplete: boolean;
  readonly broken: { readonly invariant: string; readonly trace: readonly string[] } | undefined;
}

const NO_MUTANT: Mutant = { name: 'none' };

export function checkModel({
  size,
  mutant = NO_MUTANT,
  statesMax = Infinity,
  report,
}: ModelCheckOptions): ModelCheckResult {
  const search = new Search(new Model(size, mutant));
  while (search.hasMore && search.states < statesMax && search.broken === undefined) {
    search.deepen();
    report?.(`depth ${search.depth}: ${search.states} states, ${search.generated} steps`);
  }
  const { states, generated, depth, broken, hasMore } = search;
  return { states, generated, depth, broken, isComplete: !hasMore && broken === undefined };
}

/** Vectors in a row; grows as it is filled. */
class Frontier {
  private words: Int32Array;
  count = 0;

  constructor(
    private readonly width: number,
    /** The number of the first; the others follow it. */
    readonly firstNumber: number,
  ) {
    this.words = new Int32Array(width * 1024);
  }

  push(vector: Int32Array): void {
    const at = this.count++ * this.width;
    if (at === this.words.length) {
      const words = new Int32Array(2 * at);
      words.set(this.words);
      this.words = words;
    }
    this.words.set(vector, at);
  }

  vector = (index: number): Int32Array => this.words.subarray(index * this.width, (index + 1) * this.width);
}

class Search {
  private readonly canon: Canon;
  private readonly seen = new Fingerprints();
  private readonly scratch: Int32Array;
  private frontier: Frontier;
  generated = 0;
  depth = 0;
  broken: ModelCheckResult['broken'];

  constructor(private readonly model: Model) {
    this.canon = new Canon(model);
    this.scratch = new Int32Array(this.canon.width);
    this.frontier = new Frontier(this.canon.width, 0);
    this.canon.write(model.initial(), this.scratch);
    this.seen.add(this.scratch, { parent: 0, step: 0 });
    this.frontier.push(this.scratch);
  }

  get states(): number {
    return this.seen.count;
  }

  get hasMore(): boolean {
    return this.frontier.count > 0;
  }

  deepen(): void {
    const next = new Frontier(this.canon.width, this.states);
    for (let index = 0; index < this.frontier.count; index++) {
      const parent = this.frontier.firstNumber + index;
      try {
        const successors = this.model.successors(this.canon.read(this.frontier.vector(index)));
        successors.forEach(({ world }, step) => {
          this.canon.write(world, this.scratch);
          if (this.seen.add(this.scratch, { parent, step })) next.push(this.scratch);
        });
        this.generated += successors.length;
      } catch (error) {
        this.broken = { invariant: invariantOf(error), trace: this.trace(parent) };
        return;
      }
    }
    this.frontier = next;
    this.depth++;
  }

  /** The steps are taken again: where they lead is a matter of the model alone. */
  private trace(number: number): string[] {
    const vector = new Int32Array(this.canon.width);
    this.canon.write(this.model.initial(), vector);
    return this.seen.path(number).map((step) => {
      const successor: Successor | undefined = this.model.successors(this.canon.read(vector))[step];
      if (successor === undefined) return 'a step that is not there again';
      this.canon.write(successor.world, vector);
      return successor.action();
    });
  }
}

function invariantOf(error: unknown): string {
  const isFinding =
    error instanceof BrokenInvariant || (error instanceof Error && error.message.startsWith('broken promise'));
  if (isFinding) return error.message;
  throw error;
}
