/**
 * The commits of a timeline across memory and files, continued in its ancestors.
 *
 *   H1  `boundaryAt(lsn)` is the newest commit that ends at or below `lsn`, or the timeline's start when `lsn` is there and
 *       nothing has committed since; below the start the ancestor answers.
 *   H2  `lsnAt(time)` is the boundary before the first commit with a later time.
 */
import { Corrupt, type Lsn, Lsn as LsnOf } from '@neon/kernel';
import { type CommitBoundary, CommitColumns, decodeCommits, encodeCommits } from './commit-index';
import type { TimelineFiles } from './timeline-files';
import type { CommitFile, TimelineIndex } from './timeline-index';

export interface Boundary {
  readonly lsn: Lsn;
  readonly prevRecordLsn: Lsn;
  readonly logicalSizeBytes: number;
  /** Null at a timeline's start. */
  readonly timestampUs: number | null;
}

export interface TimeLookup {
  readonly kind: 'present' | 'future' | 'past';
  readonly boundary: Boundary;
}

/** Decoded files kept: lookups come in bursts around one place. */
const FILES_CACHED = 4;

type Part = { readonly file: CommitFile } | { readonly columns: CommitColumns };

export class CommitHistory {
  private open = new CommitColumns();
  private frozen: CommitColumns[] = [];
  private files: readonly CommitFile[];
  private readonly decoded = new Map<string, CommitColumns>();
  private readonly start: Boundary;
  private readonly ancestorLsn: Lsn;

  constructor(
    index: TimelineIndex,
    private readonly store: TimelineFiles,
    private readonly ancestor: CommitHistory | null,
  ) {
    this.files = index.commits;
    this.start = {
      lsn: index.startLsn,
      prevRecordLsn: index.startPrevRecordLsn,
      logicalSizeBytes: index.startLogicalSizeBytes,
      timestampUs: null,
    };
    this.ancestorLsn = index.ancestor?.lsn ?? LsnOf.ZERO;
  }

  push(commit: CommitBoundary): void {
    this.open.push(commit);
  }

  /** The newest commit of this timeline itself. */
  async newest(): Promise<CommitBoundary | null> {
    const parts = this.parts();
    const last = parts[parts.length - 1];
    if (last === undefined) return this.ancestor === null ? null : this.ancestor.newestUpTo(this.ancestorLsn);
    return this.lastOf(last);
  }

  private async newestUpTo(lsn: Lsn): Promise<CommitBoundary | null> {
    const boundary = await this.boundaryAt(lsn);
    return boundary.timestampUs === null ? null : { ...boundary, timestampUs: boundary.timestampUs };
  }

  async boundaryAt(lsn: Lsn): Promise<Boundary> {
    if (lsn < this.start.lsn && this.ancestor !== null)
      return this.ancestor.boundaryAt(LsnOf.min(lsn, this.ancestorLsn));
    const parts = this.parts();
    for (let i = parts.length - 1; i >= 0; i--) {
      const part = parts[i];
      const earlier = parts[i - 1];
      // The part before it ends above `lsn`: nothing of this one can be below.
      if (part === undefined || (earlier !== undefined && endOf(earlier) > lsn)) continue;
      const columns = await this.columnsOf(part);
      const count = columns.countUpTo(lsn);
      if (count > 0) return columns.at(count - 1);
    }
    return this.start;
  }

  async lsnAt(timestampUs: number): Promise<TimeLookup> {
    const boundary = await this.boundaryBefore(timestampUs);
    if (boundary === null) return { kind: 'past', boundary: this.start };
    const newest = await this.newest();
    return { kind: newest === null || newest.timestampUs < timestampUs ? 'future' : 'present', boundary };
  }

  /** The boundary before the first commit that is later than the time; null when every commit of all history is later. */
  private async boundaryBefore(timestampUs: number): Promise<Boundary | null> {
    let earlier: Part | null = null;
    for (const part of this.parts()) {
      const latest = 'file' in part ? part.file.timestampMaxUs : part.columns.timestampMaxUs;
      if (latest > timestampUs) {
        const columns = await this.columnsOf(part);
        const at = columns.firstAfter(timestampUs);
        if (at > 0) return columns.at(at - 1);
        return earlier === null ? this.beforeStart(timestampUs) : this.lastOf(earlier);
      }
      earlier = part;
    }
    if (earlier !== null) return this.lastOf(earlier);
    return this.ancestor === null ? this.start : this.beforeStart(timestampUs);
  }

  private async lastOf(part: Part): Promise<CommitBoundary> {
    const columns = await this.columnsOf(part);
    return columns.at(columns.count - 1);
  }

  private async beforeStart(timestampUs: number): Promise<Boundary | null> {
    const found = (await this.ancestor?.boundaryBefore(timestampUs)) ?? null;
    return found === null || found.lsn < this.ancestorLsn ? found : this.start;
  }

  // ---------------------------------------------------------------- writing out

  freeze(): CommitColumns {
    const frozen = this.open;
    this.frozen.push(frozen);
    this.open = new CommitColumns();
    return frozen;
  }

  /** Null when there is nothing to write. */
  async write(commits: CommitColumns, sequence: number): Promise<CommitFile | null> {
    if (commits.count === 0) return null;
    const name = `commits_${sequence.toString(16).padStart(8, '0')}`;
    await this.store.replace(name, encodeCommits(commits));
    const { count, timestampMaxUs } = commits;
    return { name, count, endLsn: commits.at(count - 1).lsn, timestampMaxUs };
  }

  /** The oldest frozen commits are in `file` now, which the index names. */
  written(file: CommitFile | null): void {
    this.frozen.shift();
    if (file !== null) this.files = [...this.files, file];
  }

  // ---------------------------------------------------------------- parts

  /** All commits in LSN order, without empty parts. */
  private parts(): Part[] {
    const memory = [...this.frozen, this.open].filter((columns) => columns.count > 0);
    return [...this.files.map((file) => ({ file })), ...memory.map((columns) => ({ columns }))];
  }

  private async columnsOf(part: Part): Promise<CommitColumns> {
    if ('columns' in part) return part.columns;
    const { name } = part.file;
    const cached = this.decoded.get(name);
    if (cached !== undefined) return cached;
    const bytes = await this.store.readWhole(name);
    if (bytes === null) throw new Corrupt(`commit index file ${name} is missing`);
    const columns = decodeCommits(bytes);
    if (columns.count !== part.file.count)
      throw new Corrupt(`${name} holds ${columns.count} commits, not ${part.file.count}`);
    this.decoded.set(name, columns);
    for (const oldest of this.decoded.keys()) {
      if (this.decoded.size <= FILES_CACHED) break;
      this.decoded.delete(oldest);
    }
    return columns;
  }
}

const endOf = (part: Part): Lsn => ('file' in part ? part.file.endLsn : part.columns.at(part.columns.count - 1).lsn);
