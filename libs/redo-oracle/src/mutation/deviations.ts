/**
 * Where mutants' stores differ from the one that redo without a mutant leads to.
 *
 *   E1  What a mutant has is what the store has, unless there is a deviation, which is never equal to it.
 */
import { PAGE_SIZE, type Change, type Fork, type PageId } from '@neon/postgres';
import { pageKey } from '../page-store';

/** A page's bytes or a note's, or null where the mutant has none. */
export type Content = Uint8Array | null;

/** What mutants may deviate in: a page, or what is noted of a transaction or a database's relation map. */
export type Subject = PageId | { readonly kind: 'note'; readonly name: string };

export interface Deviation {
  readonly subject: Subject;
  readonly byMutant: Map<number, Content>;
}

export const subjectKey = (subject: Subject): string => (subject.kind === 'note' ? subject.name : pageKey(subject));

const NO_MUTANTS: ReadonlyMap<number, Content> = new Map();

export class Deviations {
  private readonly all = new Map<string, Deviation>();

  of = (key: string): ReadonlyMap<number, Content> => this.all.get(key)?.byMutant ?? NO_MUTANTS;

  values = (): IterableIterator<Deviation> => this.all.values();

  /** E1 */
  set(key: string, subject: Subject, { id, own, right }: { id: number; own: Content; right: Content }): void {
    const existing = this.all.get(key);
    if (isSame(own, right)) {
      existing?.byMutant.delete(id);
      if (existing?.byMutant.size === 0) this.all.delete(key);
    } else if (existing === undefined) {
      this.all.set(key, { subject, byMutant: new Map([[id, own]]) });
    } else {
      existing.byMutant.set(id, own);
    }
  }

  forget(id: number): void {
    for (const [key, { byMutant }] of this.all) if (byMutant.delete(id) && byMutant.size === 0) this.all.delete(key);
  }

  /** What a change of another kind than a page's does to mutants' pages too. */
  follow(change: Change): void {
    switch (change.kind) {
      case 'relation-truncate':
        return this.drop(
          ({ relation, fork, block }) =>
            isRelation(relation, change) && fork === change.fork && block >= change.blockCount,
        );
      case 'relation-drop':
        return this.drop(({ relation }) => isRelation(relation, change));
      case 'database-drop':
        return this.drop(({ relation }) => isDatabase(relation, change));
      case 'database-create':
        if (change.copyOf !== null) this.copy(change.copyOf, change);
        return;
      default:
        return;
    }
  }

  private drop(isGone: (page: Extract<PageId, { kind: 'relation' }>) => boolean): void {
    for (const [key, { subject }] of this.all) if (subject.kind === 'relation' && isGone(subject)) this.all.delete(key);
  }

  private copy(source: Database, target: Database): void {
    for (const { subject, byMutant } of [...this.all.values()]) {
      if (subject.kind !== 'relation' || !isDatabase(subject.relation, source)) continue;
      const { tablespaceOid, databaseOid } = target;
      const copied = { ...subject, relation: { ...subject.relation, tablespaceOid, databaseOid } };
      this.all.set(subjectKey(copied), { subject: copied, byMutant: new Map(byMutant) });
    }
  }
}

interface Database {
  readonly tablespaceOid: number;
  readonly databaseOid: number;
}
type Relation = Database & { readonly relationNumber: number };

const isDatabase = (one: Database, other: Database): boolean =>
  one.tablespaceOid === other.tablespaceOid && one.databaseOid === other.databaseOid;
const isRelation = (one: Relation, { relation }: { relation: Relation; fork?: Fork }): boolean =>
  isDatabase(one, relation) && one.relationNumber === relation.relationNumber;

const ZEROS = new Uint8Array(PAGE_SIZE);

/** A page that is not there reads as zeros. */
const isSame = (one: Content, other: Content): boolean =>
  one === other || Buffer.compare(one ?? ZEROS, other ?? ZEROS) === 0;
