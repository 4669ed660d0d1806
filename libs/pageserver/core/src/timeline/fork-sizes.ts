/**
 * How long relation forks and SLRU segments are at the end of ingest: a bounded cache over what the layers say.
 *
 *   Z1  A size that is not known here is asked for, never assumed.
 *   Z2  Sizes are forgotten between two records (`trim`), never within one, which may need more of them than are kept.
 *   Z3  Sizes of relation forks and of SLRU segments obey one rule: writing beyond the end extends.
 */
import { ByteReader } from '@neon/kernel';
import {
  type Fork,
  type PageId,
  type RelationId,
  SLRU_PAGES_PER_SEGMENT,
  type Slru,
  slruSegmentOf,
} from '@neon/postgres';
import {
  type Key,
  type Prefix,
  relationPagePrefix,
  relationSizePrefix,
  slruPagePrefix,
  slruSegmentPrefix,
} from '../key/key';

/** Forks remembered from one record to the next; when there are more, all are forgotten and asked for again. */
const FORKS_MAX = 100_000;

/** A run of pages with an end: a relation fork, or one segment of an SLRU. */
export interface PageRun {
  readonly pagePrefix: Prefix;
  readonly sizeKey: Key;
  /** Index of the run's first page under `pagePrefix`. */
  readonly firstPage: number;
  readonly isRelation: boolean;
  /** Null: it does not exist. */
  size: number | null;
}

export const NO_CONTENT = new Uint8Array(0);
export const encodeSize = (size: number | null): Uint8Array =>
  size === null ? NO_CONTENT : Uint8Array.of(size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255);
export const decodeSize = (content: Uint8Array | null): number | null =>
  content === null || content.length === 0 ? null : new ByteReader(content).u32();

interface KnownFork {
  readonly relation: RelationId;
  readonly fork: Fork;
  readonly run: PageRun;
}

export class ForkSizes {
  private readonly forks = new Map<number, KnownFork[]>();
  private readonly segments = new Map<Slru, Map<number, PageRun>>();
  private count = 0;

  findFork(relation: RelationId, fork: Fork): PageRun | undefined {
    const known = this.forks.get(relation.relationNumber);
    if (known === undefined) return undefined;
    for (const one of known)
      if (
        one.fork === fork &&
        one.relation.databaseOid === relation.databaseOid &&
        one.relation.tablespaceOid === relation.tablespaceOid
      )
        return one.run;
    return undefined;
  }

  findSegment = (slru: Slru, segment: number): PageRun | undefined => this.segments.get(slru)?.get(segment);

  find(page: PageId): PageRun | undefined {
    return page.kind === 'relation'
      ? this.findFork(page.relation, page.fork)
      : this.findSegment(page.slru, slruSegmentOf(page.page));
  }

  rememberFork(relation: RelationId, fork: Fork, size: number | null): PageRun {
    const found = this.findFork(relation, fork);
    if (found !== undefined) {
      found.size = size;
      return found;
    }
    this.count++;
    const run = forkRun(relation, fork, size);
    const known = this.forks.get(relation.relationNumber);
    if (known === undefined) this.forks.set(relation.relationNumber, [{ relation, fork, run }]);
    else known.push({ relation, fork, run });
    return run;
  }

  rememberSegment(slru: Slru, segment: number, size: number | null): PageRun {
    const found = this.findSegment(slru, segment);
    if (found !== undefined) {
      found.size = size;
      return found;
    }
    const run = segmentRun(slru, segment, size);
    const known = this.segments.get(slru);
    if (known === undefined) this.segments.set(slru, new Map([[segment, run]]));
    else known.set(segment, run);
    return run;
  }

  remember = (page: PageId, size: number | null): PageRun =>
    page.kind === 'relation'
      ? this.rememberFork(page.relation, page.fork, size)
      : this.rememberSegment(page.slru, slruSegmentOf(page.page), size);

  /** Between two records. */
  trim(): void {
    if (this.count > FORKS_MAX) this.clear();
  }

  clear(): void {
    this.forks.clear();
    this.segments.clear();
    this.count = 0;
  }
}

export const forkRun = (relation: RelationId, fork: Fork, size: number | null): PageRun => ({
  pagePrefix: relationPagePrefix(relation, fork),
  sizeKey: { prefix: relationSizePrefix(relation, fork), index: 0 },
  firstPage: 0,
  isRelation: true,
  size,
});

export const segmentRun = (slru: Slru, segment: number, size: number | null): PageRun => ({
  pagePrefix: slruPagePrefix(slru),
  sizeKey: { prefix: slruSegmentPrefix(slru), index: segment },
  firstPage: segment * SLRU_PAGES_PER_SEGMENT,
  isRelation: false,
  size,
});
