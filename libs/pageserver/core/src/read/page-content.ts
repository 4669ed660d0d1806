/** From the versions of a key to its content. */
import { Corrupt, Lsn } from '@neon/kernel';
import type { PageId, PostgresMajor } from '@neon/postgres';
import { type Prefix, pageIdOf } from '../key/key';
import { IMAGE } from '../layer/value';
import type { KeyRead } from './key-read';

export const PAGE_SIZE = 8192;

/** Applies one delta to a page in place: `applyDelta` of @neon/postgres. */
export type ApplyDelta = (
  page: Uint8Array,
  delta: Uint8Array,
  context: { readonly page: PageId; readonly endLsn: Lsn; readonly major: PostgresMajor },
) => void;

/** A version that cannot be applied: the page's timeline must not go on as if it could. */
export class RedoFailure extends Error {
  override readonly name = 'RedoFailure';
}

/** Content of a key that is not a page; null when it does not exist. */
export function plainContent(read: KeyRead): Uint8Array | null {
  const newest = read.values[0];
  if (newest === undefined || newest.bytes.length === 0) return null;
  if (newest.kind !== IMAGE) throw new Corrupt('a delta where only images are kept');
  return newest.bytes;
}

/** A page of PAGE_SIZE bytes; zeros where nothing was ever written. It may be a view that must not be changed. */
export function pageContent(read: KeyRead, applyDelta: ApplyDelta, major: PostgresMajor): Uint8Array {
  const { values } = read;
  const newest = values[0];
  if (newest?.kind === IMAGE && newest.bytes.length === PAGE_SIZE) return newest.bytes;
  const page = new Uint8Array(PAGE_SIZE);
  for (let i = values.length - 1; i >= 0; i--) {
    const value = values[i];
    if (value === undefined) continue;
    if (value.kind === IMAGE) {
      if (value.bytes.length !== 0 && value.bytes.length !== PAGE_SIZE)
        throw new Corrupt(`page image of ${value.bytes.length} bytes`);
      page.set(value.bytes);
      continue;
    }
    const id = pageIdOf({ prefix: prefixAt(read, i), index: read.key.index });
    if (id === null) throw new Corrupt('a delta where only images are kept');
    try {
      applyDelta(page, value.bytes, { page: id, endLsn: value.lsn, major });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new RedoFailure(`record ending at ${Lsn.format(value.lsn)}, ${pageText(id)}: ${reason}`, { cause: error });
    }
  }
  return page;
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
