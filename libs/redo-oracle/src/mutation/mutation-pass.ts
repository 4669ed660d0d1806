/**
 * One replay of a recording that tries every mutant wherever its place is passed.
 *
 *   A1  The store is always what redo without a mutant leads to. A mutant has that store, with its deviations.
 *   A2  At each record a mutant is tried if the record passed its place or touches what it deviates in: the record is redone
 *       with the mutant on, from its own pages. What is true of the mutant then is what a replay with it on would find.
 *   A3  A mutant is caught by an exception, by an image that its page does not equal (as `judgeBlock` says), or at the end by
 *       something it deviates in, as the comparison of the final state sees it.
 *   A4  A mutant that makes other relations or databases come or go is left over for a replay of its own.
 *   A5  Where a mutant led to nothing often enough on one way through the code, it is not tried at more records that take the same
 *       way. A mutant that survives may so be one that a pass of more patience catches.
 */
import { Lsn } from '@neon/kernel';
import {
  Fork,
  PAGE_SIZE,
  Rmgr,
  describeRecord,
  hasCheckImage,
  pageKindOf,
  pageLsn,
  type BlockReference,
  type Change,
  type ChangeSettings,
  type PageId,
  type PostgresMajor,
  type WalRecord,
} from '@neon/postgres';
import { finalDifference } from '../final-state';
import { judgeBlock, noteLoggedDatabase } from '../judge';
import type { PageStore } from '../page-store';
import { settingsAfter } from '../replay';
import { formatRecordLsn } from '../report';
import { isToleratedAtEnd } from '../tolerance';
import type { Allowance } from './allowance';
import { Deviations, subjectKey, type Content, type Deviation } from './deviations';
import { DirectMutants } from './direct-mutants';
import type { MutatedRedo } from './mutated-redo';
import { Notebook, sameStructure, writesOf, type Write } from './writes';

export interface Catch {
  readonly by: 'image' | 'exception' | 'final state';
  /** The record, and what it said of the mutant. */
  readonly where: string;
}

/** What a record writes, without a mutant. */
interface Written extends Write {
  readonly before: Content;
  readonly passed: ReadonlySet<number>;
}

/** A5: how often a mutant is tried. */
export interface Patience {
  /** On one way through the code, as long as nothing comes of it. */
  readonly passing: Allowance;
  /** Where it deviates. */
  readonly deviating: Allowance;
}

export interface MutationPassOptions {
  readonly major: PostgresMajor;
  readonly store: PageStore;
  /** The server's, before the first record. */
  readonly settings: ChangeSettings;
  readonly patience: Patience;
  /** Which mutants are to be caught. */
  readonly isOpen: (id: number) => boolean;
}

interface Step {
  readonly record: WalRecord;
  /** Mutants that were passed when the record's changes were told. */
  readonly passed: ReadonlySet<number>;
  /** Which way through the code the record took. */
  readonly path: number;
  readonly structure: readonly Change[];
  readonly written: ReadonlyMap<string, Written>;
}

export class MutationPass {
  readonly caught = new Map<number, Catch>();
  /** Mutants whose place was executed at all. */
  readonly reached = new Set<number>();
  /** A4 */
  readonly leftOver = new Set<number>();
  private readonly major: PostgresMajor;
  private readonly store: PageStore;
  private settings: ChangeSettings;
  private readonly patience: Patience;
  private readonly directMutants: DirectMutants;
  private readonly deviations = new Deviations();
  private readonly notebook = new Notebook();
  private readonly loggedDatabases = new Set<number>();
  private readonly beforePages: Uint8Array[] = [];

  constructor(
    private readonly mutated: MutatedRedo,
    { major, store, settings, patience, isOpen }: MutationPassOptions,
  ) {
    this.major = major;
    this.store = store;
    this.settings = settings;
    this.patience = patience;
    mutated.switches.setUp(mutated.mutants.length);
    this.directMutants = new DirectMutants(mutated, { allowance: patience.passing, isOpen });
    for (const { id } of mutated.mutants) if (!isOpen(id)) mutated.switches.ignore(id);
  }

  step(record: WalRecord): void {
    // Refused by design (R1 of `replay`).
    if (record.rmid === Rmgr.TABLESPACE) return;
    this.settings = settingsAfter(record, this.settings);
    this.tryDirectMutants(record);
    const step = this.redo(record);
    const candidates = new Set(step.passed);
    for (const [key, { passed }] of step.written) {
      for (const id of passed) candidates.add(id);
      for (const id of this.deviations.of(key).keys()) candidates.add(id);
    }
    for (const id of candidates) {
      this.reached.add(id);
      if (this.isWorthTrying(step, id)) this.tryMutant(step, id);
    }
  }

  private tryDirectMutants(record: WalRecord): void {
    for (const { id, difference } of this.directMutants.try(record, this.store, this.settings)) {
      this.reached.add(id);
      if (difference !== null) this.catch(id, record, { by: 'image', what: difference });
    }
  }

  /** A5 */
  private isWorthTrying({ written, path }: Step, id: number): boolean {
    for (const key of written.keys()) if (this.deviations.of(key).has(id)) return this.patience.deviating.take(id, 0);
    return this.patience.passing.take(id, path);
  }

  /** A1 */
  private redo(record: WalRecord): Step {
    const { redo, switches } = this.mutated;
    switches.collect();
    const changes = redo.changesOf(record, this.settings);
    const passed = switches.passed();
    let path = passed.path;
    const { writes, structure } = writesOf(changes);
    const written = new Map<string, Written>();
    for (const write of writes) {
      const before = this.copyOfBefore(write, written.size);
      switches.collect();
      this.store.apply(write.change, record.endLsn);
      if (write.subject.kind === 'note') this.notebook.apply(write);
      const { mutants, path: own } = switches.passed();
      path = (Math.imul(path, 31) + own) | 0;
      written.set(write.key, { ...write, before, passed: new Set(mutants) });
    }
    for (const change of structure) {
      noteLoggedDatabase(record, change, this.loggedDatabases);
      this.store.apply(change, record.endLsn);
      this.deviations.follow(change);
    }
    return { record, passed: new Set(passed.mutants), path, structure, written };
  }

  /** In memory that the next record uses again: a copy for each page of each record would cost more than redo itself. */
  private copyOfBefore(write: Write, index: number): Content {
    const content = this.contentOf(write);
    if (content?.length !== PAGE_SIZE) return content?.slice() ?? null;
    const copy = (this.beforePages[index] ??= new Uint8Array(PAGE_SIZE));
    copy.set(content);
    return copy;
  }

  private contentOf = ({ subject, key }: Pick<Write, 'subject' | 'key'>): Content =>
    (subject.kind === 'note' ? this.notebook.get(key) : this.store.page(subject)) ?? null;

  /** A2 */
  private tryMutant(step: Step, id: number): void {
    const { record } = step;
    try {
      const own = step.passed.has(id) ? this.writesWith(id, step) : step.written.values();
      if (own === null) {
        this.leftOver.add(id);
        return this.retire(id);
      }
      const lsnsBefore = record.blocks.map((block) => this.ownLsn(block, id));
      this.redoWrites(step, id, own);
      const what = this.imageDifference(step, id, lsnsBefore);
      if (what !== null) this.catch(id, record, { by: 'image', what });
    } catch (error) {
      this.catch(id, record, { by: 'exception', what: messageOf(error) });
    }
  }

  /** What the mutant writes at this record; null when it does not stop at writing (A4). */
  private writesWith(id: number, { record, structure }: Step): Iterable<Write> | null {
    const { redo, switches } = this.mutated;
    const own = writesOf(switches.runWith(id, () => redo.changesOf(record, this.settings)));
    return sameStructure(own.structure, structure) ? own.writes : null;
  }

  private redoWrites({ record, written }: Step, id: number, writes: Iterable<Write>): void {
    const left = new Map(written);
    for (const write of writes) {
      const { key, subject } = write;
      const known = left.get(key);
      left.delete(key);
      const deviation = this.deviations.of(key).get(id);
      if (known !== undefined && deviation === undefined && !known.passed.has(id) && known.isSame(write)) continue;
      const right = this.contentOf(write);
      const before = deviation === undefined ? (known === undefined ? right : known.before) : deviation;
      this.deviations.set(key, subject, { id, own: this.write(record, id, { write, before }), right });
    }
    // What the mutant does not write at all.
    for (const [key, missed] of left) {
      const deviation = this.deviations.of(key).get(id);
      const own = deviation === undefined ? (missed.before?.slice() ?? null) : deviation;
      this.deviations.set(key, missed.subject, { id, own, right: this.contentOf(missed) });
    }
  }

  private write(
    { endLsn, major }: WalRecord,
    id: number,
    { write, before }: { write: Write; before: Content },
  ): Content {
    const { change } = write;
    if (change.kind === 'page-image') return change.image;
    if (change.kind !== 'page-delta') return write.note;
    if (before === null && change.ifPresent === true) return null;
    const page = before?.slice() ?? new Uint8Array(PAGE_SIZE);
    if (change.willInit) page.fill(0);
    const { redo, switches } = this.mutated;
    switches.runWith(id, () =>
      redo.applyDelta(page, change.delta, { ...this.settings, page: change.page, endLsn, major }),
    );
    return page;
  }

  /** The LSN of a page in which a mutant deviates. */
  private ownLsn(block: BlockReference, id: number): Lsn | undefined {
    const own = this.deviations.of(subjectKey({ kind: 'relation', ...block })).get(id);
    if (own === undefined) return undefined;
    return own === null ? Lsn.ZERO : pageLsn(own);
  }

  private imageDifference(
    { record, written }: Step,
    id: number,
    lsnsBefore: readonly (Lsn | undefined)[],
  ): string | null {
    for (const [index, block] of record.blocks.entries()) {
      if (!hasCheckImage(record, block)) continue;
      const page: PageId = { kind: 'relation', ...block };
      const deviation = this.deviations.of(subjectKey(page)).get(id);
      const ownLsn = lsnsBefore[index];
      if (deviation === undefined && ownLsn === undefined) continue;
      const redone = deviation === undefined ? this.store.page(page) : deviation;
      if (redone === undefined || redone === null) continue;
      const before = written.get(subjectKey(page))?.before ?? null;
      const lsnBefore = ownLsn ?? (before === null ? Lsn.ZERO : pageLsn(before));
      const { loggedDatabases, settings: codecs } = this;
      const mismatch = judgeBlock(record, block, { redone, lsnBefore, loggedDatabases, codecs });
      if (mismatch !== null && mismatch !== 'tolerated') return `block ${block.id} at ${mismatch.offset}`;
    }
    return null;
  }

  private catch(id: number, record: WalRecord, { by, what }: { by: Catch['by']; what: string }): void {
    this.caught.set(id, { by, where: `${formatRecordLsn(describeRecord(record), record.lsn)}: ${what}` });
    this.retire(id);
  }

  private retire(id: number): void {
    this.mutated.switches.ignore(id);
    this.deviations.forget(id);
  }

  /** A3: the store equals the final state, so a mutant is as far from the one as from the other, and as much of that is accepted. */
  finish(): void {
    for (const deviation of this.deviations.values())
      for (const [id, own] of deviation.byMutant) {
        const what = this.caught.has(id) ? null : this.finalDifference(deviation, own);
        if (what !== null) this.caught.set(id, { by: 'final state', where: what });
      }
  }

  private finalDifference({ subject }: Deviation, own: Content): string | null {
    if (subject.kind !== 'relation') return subjectKey(subject);
    if (subject.fork === Fork.FSM) return null;
    const right = this.store.page(subject) ?? new Uint8Array(PAGE_SIZE);
    const kind = subject.fork === Fork.VISIBILITY_MAP ? 'visibility-map' : pageKindOf(right, subject.block);
    const what = `${kind} ${subjectKey(subject)}`;
    try {
      const mismatch = finalDifference(right, own ?? new Uint8Array(PAGE_SIZE), {
        kind,
        block: subject.block,
      });
      if (mismatch === null) return null;
      const { loggedDatabases, major } = this;
      return isToleratedAtEnd(mismatch, { ...subject, loggedDatabases, major })
        ? null
        : `${what} at ${mismatch.offset}`;
    } catch (error) {
      return `${what}: ${messageOf(error)}`;
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
