/**
 * Mutants of redo at once (`redoRecord`), which the deltas of the pass do not go through.
 *
 *   R1  One is caught when it makes another page than without it, or hands on another number of changes: the oracle compares
 *       both with what deltas come to.
 */
import type { ChangeSettings, WalRecord } from '@neon/postgres';
import { redoOnCopies, type RedoneAtOnce } from '../direct-redo';
import type { PageStore } from '../page-store';
import type { Allowance } from './allowance';
import type { MutatedRedo } from './mutated-redo';

const FILE = 'redo/redo-record.ts';

export interface DirectResult {
  readonly id: number;
  /** What differs; null when nothing does. */
  readonly difference: string | null;
}

export class DirectMutants {
  private readonly allowance: Allowance;
  /** Those that are not caught. */
  private readonly own: Set<number>;

  constructor(
    private readonly mutated: MutatedRedo,
    { allowance, isOpen }: { allowance: Allowance; isOpen: (id: number) => boolean },
  ) {
    this.allowance = allowance;
    this.own = new Set(mutated.mutants.filter(({ id, file }) => file === FILE && isOpen(id)).map(({ id }) => id));
  }

  /** To be called before the record is applied to the store. @throws what redo without a mutant throws */
  try(record: WalRecord, store: PageStore, settings: ChangeSettings): DirectResult[] {
    if (record.blocks.length === 0 || this.own.size === 0) return [];
    const { redo, switches } = this.mutated;
    const onCopies = (): RedoneAtOnce => redoOnCopies(record, { store, settings, redo: redo.redoRecord });
    switches.collect();
    const right = onCopies();
    const { mutants, path } = switches.passed();
    return mutants
      .filter((id) => this.own.has(id) && this.allowance.take(id, path))
      .map((id) => {
        const difference = this.differenceWith(id, { right, onCopies });
        if (difference !== null) this.own.delete(id);
        return { id, difference };
      });
  }

  private differenceWith(
    id: number,
    { right, onCopies }: { right: RedoneAtOnce; onCopies: () => RedoneAtOnce },
  ): string | null {
    try {
      return differenceOf(right, this.mutated.switches.runWith(id, onCopies));
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

/** R1 */
function differenceOf(right: RedoneAtOnce, own: RedoneAtOnce): string | null {
  if (own.changeCount !== right.changeCount) return `redone at once: ${own.changeCount} changes`;
  if (own.pages.length !== right.pages.length) return `redone at once: ${own.pages.length} pages`;
  const different = right.pages.find(({ page }, index) => Buffer.compare(page, own.pages[index]?.page ?? page) !== 0);
  return different === undefined ? null : `redone at once: block ${different.block.id}`;
}
