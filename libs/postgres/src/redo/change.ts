/**
 * What a WAL record does to storage, as values: everything a page store must know, nothing about how Postgres encodes it.
 *
 *   C1  `changesOf(record)` names every effect of a record on durable state; a record type it does not know throws
 *       `UnsupportedRecord` with its name and LSN. Nothing is ever skipped silently.
 *   C2  Changes of one record are independent of each other: each page change needs only its own page (wal-facts: redo of
 *       block i reads record and old image of block i alone).
 *   C3  A delta is opaque bytes to the store: it keeps them with the record's `endLsn` and gives them back to
 *       `applyDelta`, in LSN order, on top of the newest image below. A delta with `willInit` needs no page beneath it.
 *   C4  `applyDelta` sets the page LSN where Postgres' redo does.
 *   C5  A delta without `willInit` for a page that was never written acts on a page of zeros, and the page exists from then
 *       on (a relation grows to hold it); unless it says `ifPresent`, when it is then to be dropped.
 *
 * One record may contribute several changes, for the pages of its block references and for pages it changes without
 * naming them (visibility map bits, CLOG status, multixact offsets and members).
 */
import type { Lsn, UnwrittenBytes } from '@neon/kernel';
import type { Fork, RelationId } from '../wal/record';

export type Slru = 'xact' | 'multixact-offsets' | 'multixact-members' | 'commit-ts';

export interface RelationPage {
  readonly kind: 'relation';
  readonly relation: RelationId;
  readonly fork: Fork;
  readonly block: number;
}

/** A page of an SLRU; `page` counts from the SLRU's beginning (32 pages a segment file). */
export interface SlruPage {
  readonly kind: 'slru';
  readonly slru: Slru;
  readonly page: number;
}

export type PageId = RelationPage | SlruPage;

export interface PageDelta<Bytes = Uint8Array> {
  readonly kind: 'page-delta';
  readonly page: PageId;
  readonly willInit: boolean;
  /** The change matters only where the page already exists: it must not make the relation grow. */
  readonly ifPresent?: boolean;
  readonly delta: Bytes;
}

/** As `unwrittenChangesOf` answers: a record's delta is written once, to where the store keeps it. */
export type UnwrittenChange = Change | PageDelta<UnwrittenBytes>;

export type Change =
  /** A page's whole content after the record (8192 bytes). */
  | { readonly kind: 'page-image'; readonly page: PageId; readonly image: Uint8Array }
  | PageDelta
  /** The fork exists from here on, with no blocks. Already existing is not an error. */
  | { readonly kind: 'relation-create'; readonly relation: RelationId; readonly fork: Fork }
  /** The fork has exactly `blockCount` blocks from here on. Truncating to more than it has does nothing. */
  | {
      readonly kind: 'relation-truncate';
      readonly relation: RelationId;
      readonly fork: Fork;
      readonly blockCount: number;
    }
  /** All forks are gone. */
  | { readonly kind: 'relation-drop'; readonly relation: RelationId }
  /** The database directory exists; with `copyOf`, holding every relation and the relation map of that one as of this record. */
  | {
      readonly kind: 'database-create';
      readonly tablespaceOid: number;
      readonly databaseOid: number;
      readonly copyOf: { readonly tablespaceOid: number; readonly databaseOid: number } | null;
    }
  | { readonly kind: 'database-drop'; readonly tablespaceOid: number; readonly databaseOid: number }
  /** The whole pg_filenode.map of a database; databaseOid 0 is the shared one in global/. */
  | {
      readonly kind: 'relation-map';
      readonly tablespaceOid: number;
      readonly databaseOid: number;
      readonly content: Uint8Array;
    }
  /** SLRU pages below `firstPage` (in the SLRU's wraparound order) are gone, whole segments only. */
  | {
      readonly kind: 'slru-truncate';
      readonly slru: Slru;
      readonly firstPage: number;
      /** When given, the pages that are gone begin here: multixact members may span more than half of the ring. */
      readonly fromPage?: number;
    }
  /** The content of pg_twophase/<xid>, as Postgres would write the file, CRC included. */
  | { readonly kind: 'two-phase-create'; readonly xid: number; readonly content: Uint8Array }
  | { readonly kind: 'two-phase-remove'; readonly xid: number }
  /** A top-level transaction committed (`timestampUs`: Unix epoch, as exact as the commit record). */
  | { readonly kind: 'commit'; readonly xid: number; readonly timestampUs: number }
  /**
   * Progress of a replication origin, from a commit record or ReplicationOrigin/SET; `remoteLsn` null: dropped. It is an LSN
   * of another cluster, of which nothing is known.
   */
  | { readonly kind: 'replication-origin'; readonly originId: number; readonly remoteLsn: bigint | null };

/** Why a timeline stops: the record cannot be applied faithfully. */
export class UnsupportedRecord extends Error {
  override readonly name = 'UnsupportedRecord';
  constructor(
    readonly recordName: string,
    readonly lsn: Lsn,
    reason: string,
  ) {
    super(reason);
  }
}
