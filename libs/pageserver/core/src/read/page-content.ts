/**
 * From the versions of a key to its content.
 *
 *   C1  A version that cannot be applied makes no page: `RedoFailure` names the record, the page and why. What lies beneath it
 *       is never taken for the page.
 */
import { Corrupt, Lsn } from '@neon/kernel';
import { type PageId, type PostgresMajor, describeDelta } from '@neon/postgres';
import { type Key, type Prefix, pageIdOf } from '../key/key';
import { IMAGE, type Value } from '../layer/value';
import type { KeyRead } from './key-read';

export const PAGE_SIZE = 8192;

/** Applies one delta to a page in place: `applyDelta` of @neon/postgres. */
export type ApplyDelta = (
  page: Uint8Array,
  delta: Uint8Array,
  context: { readonly page: PageId; readonly endLsn: Lsn; readonly major: PostgresMajor },
) => void;

export interface Redo {
  readonly applyDelta: ApplyDelta;
  readonly major: PostgresMajor;
  /** Whose page it is, for messages. */
  readonly timeline: string;
}

/** C1. The same read fails in the same way, as long as the program is the same. */
export class RedoFailure extends Corrupt {
  constructor(
    readonly page: { readonly key: Key; readonly lsn: Lsn },
    { timeline, reason, cause }: { readonly timeline: string; readonly reason: string; readonly cause: unknown },
  ) {
    super(`timeline ${timeline}: ${reason}`, { cause });
    this.reason = reason;
  }
  /** The message without the timeline. */
  readonly reason: string;
}

/** Content of a key that is not a page; null when it does not exist. */
export function plainContent(read: KeyRead): Uint8Array | null {
  const newest = read.values[0];
  if (newest === undefined || newest.bytes.length === 0) return null;
  if (newest.kind !== IMAGE) throw new Corrupt('a delta where only images are kept');
  return newest.bytes;
}

/** A page of PAGE_SIZE bytes; zeros where nothing was ever written. It may be a view that must not be changed. @throws RedoFailure */
export function pageContent(read: KeyRead, redo: Redo): Uint8Array {
  const { values } = read;
  const newest = values[0];
  if (newest?.kind === IMAGE && newest.bytes.length === PAGE_SIZE) return newest.bytes;
  const page = new Uint8Array(PAGE_SIZE);
  for (let i = values.length - 1; i >= 0; i--) {
    const value = values[i];
    if (value === undefined) continue;
    const key = { prefix: prefixAt(read, i), index: read.key.index };
    try {
      putVersion(page, { key, value }, redo);
    } catch (error) {
      throw failure(read, { key, value, error }, redo);
    }
  }
  return page;
}

function putVersion(page: Uint8Array, { key, value }: { key: Key; value: Value }, { applyDelta, major }: Redo): void {
  const { kind, bytes, lsn } = value;
  if (kind === IMAGE) {
    if (bytes.length !== 0 && bytes.length !== PAGE_SIZE) throw new Corrupt(`page image of ${bytes.length} bytes`);
    return page.set(bytes);
  }
  const id = pageIdOf(key);
  if (id === null) throw new Corrupt('a delta where only images are kept');
  applyDelta(page, bytes, { page: id, endLsn: lsn, major });
}

function failure(
  { key: asked, lsn }: KeyRead,
  { key, value, error }: { key: Key; value: Value; error: unknown },
  { major, timeline }: Redo,
): RedoFailure {
  const isImage = value.kind === IMAGE;
  const record = isImage
    ? `image at ${Lsn.format(value.lsn)}`
    : describeDelta(value.bytes, { endLsn: value.lsn, major });
  const id = pageIdOf(key);
  const page = id === null ? 'what is not a page' : pageText(id);
  const why = error instanceof Error ? error.message : String(error);
  const reason = `${record} cannot be applied to ${page}: ${why}`;
  return new RedoFailure({ key: asked, lsn }, { timeline, reason, cause: error });
}

/** The page that a version was made for: another database's when it was found through a copy. */
function prefixAt(read: KeyRead, position: number): Prefix {
  let { prefix } = read.key;
  for (const borrowed of read.borrowed) if (position >= borrowed.from) prefix = borrowed.prefix;
  return prefix;
}

export function pageText(id: PageId): string {
  if (id.kind === 'slru') return `${id.slru} page ${id.page}`;
  const { tablespaceOid, databaseOid, relationNumber } = id.relation;
  return `relation ${tablespaceOid}/${databaseOid}/${relationNumber} fork ${id.fork} block ${id.block}`;
}
