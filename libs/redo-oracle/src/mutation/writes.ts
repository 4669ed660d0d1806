/**
 * Changes as writes, each to one page or note, and the rest: what makes relations and databases come and go.
 */
import type { Change } from '@neon/postgres';
import { subjectKey, type Content, type Subject } from './deviations';

export interface Write {
  readonly subject: Subject;
  readonly key: string;
  readonly change: Change;
  /** What is noted, when the subject is a note. */
  readonly note: Content;
  isSame(other: Write): boolean;
}

export interface Writes {
  readonly writes: readonly Write[];
  readonly structure: readonly Change[];
}

export function writesOf(changes: readonly Change[]): Writes {
  const writes: Write[] = [];
  const structure: Change[] = [];
  for (const change of changes) {
    const write = writeOf(change);
    if (write === null) structure.push(change);
    else writes.push(write);
  }
  return { writes, structure };
}

export const sameStructure = (one: readonly Change[], other: readonly Change[]): boolean =>
  one.length === other.length && JSON.stringify(one) === JSON.stringify(other);

function writeOf(change: Change): Write | null {
  switch (change.kind) {
    case 'page-image':
    case 'page-delta':
      return {
        subject: change.page,
        key: subjectKey(change.page),
        change,
        note: null,
        isSame: (other) => change === other.change || isSameChange(change, other.change),
      };
    case 'relation-map':
      return note(change, `relation map ${change.tablespaceOid}/${change.databaseOid}`, change.content);
    case 'two-phase-create':
      return note(change, `prepared ${change.xid}`, change.content);
    case 'two-phase-remove':
      return note(change, `prepared ${change.xid}`, null);
    case 'commit':
      return note(change, `commit ${change.xid}`, textBytes(change.timestampUs));
    case 'replication-origin':
      return note(change, `origin ${change.originId}`, change.remoteLsn === null ? null : textBytes(change.remoteLsn));
    default:
      return null;
  }
}

const note = (change: Change, name: string, content: Content): Write => ({
  subject: { kind: 'note', name },
  key: name,
  change,
  note: content,
  isSame: (other) =>
    other.note === content || (other.note !== null && content !== null && isEqual(other.note, content)),
});

const textBytes = (value: number | bigint): Uint8Array => Buffer.from(String(value));
const isEqual = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

function isSameChange(one: Change, other: Change): boolean {
  if (one.kind === 'page-image') return other.kind === 'page-image' && isEqual(one.image, other.image);
  return (
    one.kind === 'page-delta' &&
    other.kind === 'page-delta' &&
    one.willInit === other.willInit &&
    one.ifPresent === other.ifPresent &&
    isEqual(one.delta, other.delta)
  );
}

/** Notes as redo without a mutant leaves them. */
export class Notebook {
  private readonly notes = new Map<string, Uint8Array>();

  get = (key: string): Uint8Array | undefined => this.notes.get(key);

  apply({ key, note: content }: Write): void {
    if (content === null) this.notes.delete(key);
    else this.notes.set(key, content);
  }
}
