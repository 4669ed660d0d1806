/**
 * A whole cluster's pages in memory, as changes leave them: what `changesOf` and `applyDelta` are checked with.
 *
 *   S1  `apply` does to the store what the change says, and nothing else; a change that cannot be true throws.
 *   S2  `pageOf` is the page to redo a block on, as `redoRecord` wants it: the store has it from then on.
 */
import type { Lsn } from '@neon/kernel';
import {
  isTruncatedSegment,
  slruSegmentOf,
  type Change,
  type Fork,
  type ImageCodecs,
  type PageDelta,
  type PageId,
  type PostgresMajor,
  type RedoStore,
  type RelationId,
  type RelationPage,
  type Slru,
  type SlruTruncation,
} from '@neon/postgres';
import { PagePool } from './page-pool';
import { LIBRARY_REDO, type Redo } from './redo';
import { TransactionNotes } from './transaction-notes';

/** A fork's pages by block number; a block that is missing, below `blockCount`, is all zeros. */
export interface ForkPages {
  readonly relation: RelationId;
  readonly fork: Fork;
  blockCount: number;
  readonly pages: (Uint8Array | undefined)[];
}

interface DatabaseId {
  readonly tablespaceOid: number;
  readonly databaseOid: number;
}

interface Database extends DatabaseId {
  readonly forks: Map<number, ForkPages>;
}

const databaseKey = ({ tablespaceOid, databaseOid }: DatabaseId): string => `${tablespaceOid}/${databaseOid}`;
/** Forks of a relation are neighbours. */
const forkKey = ({ relationNumber }: RelationId, fork: Fork): number => relationNumber * 4 + fork;
/** A page's name, for maps of pages. */
export function pageKey(page: PageId): string {
  if (page.kind === 'slru') return `${page.slru}/${page.page}`;
  const { tablespaceOid, databaseOid, relationNumber } = page.relation;
  return `${tablespaceOid}/${databaseOid}/${relationNumber}/${page.fork}/${page.block}`;
}

const FORKS: readonly Fork[] = [0, 1, 2, 3];

export class PageStore implements RedoStore {
  private readonly databases = new Map<string, Database>();
  /** The database of the page that was last asked for, which mostly is that of the next one too. */
  private recent: Database | undefined;
  private readonly pool = new PagePool();
  readonly relationMaps = new Map<string, Uint8Array>();
  /** Content of files in pg_twophase, by xid. */
  readonly preparedTransactions = new Map<number, Uint8Array>();
  readonly notes = new TransactionNotes();
  private readonly slrus = new Map<Slru, Map<number, Uint8Array>>();

  constructor(
    private readonly major: PostgresMajor,
    private readonly codecs: ImageCodecs = {},
    private readonly redo: Pick<Redo, 'applyDelta'> = LIBRARY_REDO,
  ) {}

  fork(relation: RelationId, fork: Fork): ForkPages | undefined {
    return this.database(relation)?.forks.get(forkKey(relation, fork));
  }

  private database(id: DatabaseId): Database | undefined {
    const { recent } = this;
    if (recent?.databaseOid === id.databaseOid && recent.tablespaceOid === id.tablespaceOid) return recent;
    return (this.recent = this.databases.get(databaseKey(id)));
  }

  *forks(): Generator<ForkPages> {
    for (const database of this.databases.values()) yield* database.forks.values();
  }

  slruPages = (slru: Slru): ReadonlyMap<number, Uint8Array> => this.slrus.get(slru) ?? new Map<number, Uint8Array>();

  page(id: PageId): Uint8Array | undefined {
    return id.kind === 'slru'
      ? this.slrus.get(id.slru)?.get(id.page)
      : this.fork(id.relation, id.fork)?.pages[id.block];
  }

  putPage(id: PageId, page: Uint8Array): void {
    if (id.kind === 'slru') {
      const pages = this.slrus.get(id.slru) ?? new Map<number, Uint8Array>();
      this.slrus.set(id.slru, pages.set(id.page, page));
      return;
    }
    putBlock(this.ensureFork(id.relation, id.fork), id.block, page);
  }

  /** A copy of a page that the caller keeps. */
  putCopy(id: PageId, page: Uint8Array): void {
    this.putPage(id, this.pool.copyOf(page));
  }

  pageOf({ relation, fork, block }: Omit<RelationPage, 'kind'>): Uint8Array {
    const pages = this.ensureFork(relation, fork);
    return pages.pages[block] ?? putBlock(pages, block, this.pool.take());
  }

  /** A page that the store has from then on. */
  ensurePage(id: PageId): Uint8Array {
    const existing = this.page(id);
    if (existing !== undefined) return existing;
    const page = this.pool.take();
    this.putPage(id, page);
    return page;
  }

  ensureFork(relation: RelationId, fork: Fork): ForkPages {
    const database = this.database(relation) ?? this.createDatabase(relation);
    const key = forkKey(relation, fork);
    const existing = database.forks.get(key);
    if (existing !== undefined) return existing;
    const created: ForkPages = { relation, fork, blockCount: 0, pages: [] };
    database.forks.set(key, created);
    return created;
  }

  private createDatabase({ tablespaceOid, databaseOid }: DatabaseId): Database {
    const created: Database = { tablespaceOid, databaseOid, forks: new Map() };
    this.databases.set(databaseKey(created), created);
    return created;
  }

  apply(change: Change, endLsn: Lsn): void {
    switch (change.kind) {
      case 'page-image':
        return this.putPage(change.page, change.image);
      case 'page-delta':
        return this.applyPageDelta(change, endLsn);
      case 'relation-create':
        this.ensureFork(change.relation, change.fork);
        return;
      case 'relation-truncate':
        return this.truncate(change.relation, change.fork, change.blockCount);
      case 'relation-drop':
        for (const fork of FORKS) this.database(change.relation)?.forks.delete(forkKey(change.relation, fork));
        return;
      case 'database-create':
        if (change.copyOf !== null) this.copyDatabase(change.copyOf, change);
        return;
      case 'database-drop':
        this.databases.delete(databaseKey(change));
        this.recent = undefined;
        this.relationMaps.delete(databaseKey(change));
        return;
      case 'relation-map':
        this.relationMaps.set(databaseKey(change), change.content);
        return;
      case 'slru-truncate':
        return this.truncateSlru(change.slru, change);
      case 'two-phase-create':
        this.preparedTransactions.set(change.xid, change.content);
        return;
      case 'two-phase-remove':
        this.preparedTransactions.delete(change.xid);
        return;
      default:
        return this.notes.apply(change);
    }
  }

  private applyPageDelta(change: PageDelta, endLsn: Lsn): void {
    const existing = this.page(change.page);
    if (existing === undefined && change.ifPresent === true) return;
    const page = existing ?? this.pool.take();
    if (change.willInit) page.fill(0);
    this.redo.applyDelta(page, change.delta, { ...this.codecs, page: change.page, endLsn, major: this.major });
    if (existing === undefined) this.putPage(change.page, page);
  }

  private truncate(relation: RelationId, forkNumber: Fork, blockCount: number): void {
    const fork = this.fork(relation, forkNumber);
    if (fork === undefined || fork.blockCount <= blockCount) return;
    fork.blockCount = blockCount;
    if (fork.pages.length > blockCount) fork.pages.length = blockCount;
  }

  private truncateSlru(slru: Slru, truncation: SlruTruncation): void {
    const pages = this.slrus.get(slru);
    for (const page of pages?.keys() ?? [])
      if (isTruncatedSegment(slru, slruSegmentOf(page), truncation)) pages?.delete(page);
  }

  private copyDatabase(source: DatabaseId, target: DatabaseId): void {
    for (const { relation, fork, blockCount, pages } of this.database(source)?.forks.values() ?? []) {
      const copy = this.ensureFork({ ...target, relationNumber: relation.relationNumber }, fork);
      copy.blockCount = blockCount;
      pages.forEach((page, block) => (copy.pages[block] = page && this.pool.copyOf(page)));
    }
    const map = this.relationMaps.get(databaseKey(source));
    if (map !== undefined) this.relationMaps.set(databaseKey(target), map.slice());
  }
}

function putBlock(fork: ForkPages, block: number, page: Uint8Array): Uint8Array {
  fork.pages[block] = page;
  fork.blockCount = Math.max(fork.blockCount, block + 1);
  return page;
}

export const relationMapKey = databaseKey;
