/**
 * The key space of a timeline: everything that has versions is named by one ordered key of 18 bytes.
 *
 *   K1  A key is a prefix (what it belongs to) and an index (which part of it). Order is the order of the encoded bytes:
 *       u8 kind | u32 | u32 | u32 | u8 | u32 index, big-endian.
 *   K2  Each relation has keys of its own for its size and its existence: changing one relation never rewrites another's.
 *   K3  Pages come last in the order, so that everything a basebackup reads lies together.
 *
 * A prefix is kept as a string of 14 one-byte characters: it compares, hashes and interns as cheaply as JavaScript can.
 *
 * @example relationPage({ tablespaceOid: 1663, databaseOid: 5, relationNumber: 1259 }, Fork.MAIN) // prefix; index = block
 */
import type { Fork, PageId, RelationId, Slru } from '@neon/postgres';

declare const brand: unique symbol;
export type Prefix = string & { readonly [brand]: 'Prefix' };

export interface Key {
  readonly prefix: Prefix;
  readonly index: number;
}

export const PREFIX_SIZE = 14;
export const KEY_SIZE = PREFIX_SIZE + 4;
export const INDEX_MAX = 0xffff_ffff;

/** First byte of a prefix. Stored on disk: a number is never given another meaning. */
export const Kind = {
  CONTROL_FILE: 0x10,
  CHECKPOINT: 0x11,
  DATABASE: 0x20,
  RELATION_MAP: 0x21,
  RELATION_SIZE: 0x22,
  SLRU_SEGMENT: 0x30,
  TWO_PHASE: 0x31,
  REPLICATION_ORIGIN: 0x32,
  SLRU_PAGE: 0x40,
  RELATION_PAGE: 0x50,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

const SLRUS: readonly Slru[] = ['xact', 'multixact-offsets', 'multixact-members', 'commit-ts'];

function makePrefix(kind: number, words: readonly [number, number, number], last = 0): Prefix {
  const [a, b, c] = words;
  return String.fromCharCode(
    kind,
    ...[a, b, c].flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]),
    last,
  ) as Prefix;
}

const wordAt = (prefix: Prefix, at: number): number =>
  ((prefix.charCodeAt(at) << 24) |
    (prefix.charCodeAt(at + 1) << 16) |
    (prefix.charCodeAt(at + 2) << 8) |
    prefix.charCodeAt(at + 3)) >>>
  0;

export const kindOf = (prefix: Prefix): number => prefix.charCodeAt(0);

export const CONTROL_FILE: Key = { prefix: makePrefix(Kind.CONTROL_FILE, [0, 0, 0]), index: 0 };
export const CHECKPOINT: Key = { prefix: makePrefix(Kind.CHECKPOINT, [0, 0, 0]), index: 0 };
export const TWO_PHASE: Prefix = makePrefix(Kind.TWO_PHASE, [0, 0, 0]);
export const REPLICATION_ORIGIN: Prefix = makePrefix(Kind.REPLICATION_ORIGIN, [0, 0, 0]);

export interface DatabaseId {
  readonly tablespaceOid: number;
  readonly databaseOid: number;
}

export const databaseKey = (id: DatabaseId): Key => ({
  prefix: makePrefix(Kind.DATABASE, [id.tablespaceOid, id.databaseOid, 0]),
  index: 0,
});
export const relationMapKey = (id: DatabaseId): Key => ({
  prefix: makePrefix(Kind.RELATION_MAP, [id.tablespaceOid, id.databaseOid, 0]),
  index: 0,
});
export const databaseOf = (prefix: Prefix): DatabaseId => ({
  tablespaceOid: wordAt(prefix, 1),
  databaseOid: wordAt(prefix, 5),
});

export const relationPagePrefix = (relation: RelationId, fork: Fork): Prefix =>
  makePrefix(Kind.RELATION_PAGE, [relation.tablespaceOid, relation.databaseOid, relation.relationNumber], fork);
export const relationSizePrefix = (relation: RelationId, fork: Fork): Prefix =>
  makePrefix(Kind.RELATION_SIZE, [relation.tablespaceOid, relation.databaseOid, relation.relationNumber], fork);
/** The relation fork of a page or size prefix. */
export const relationOf = (prefix: Prefix): { relation: RelationId; fork: Fork } => ({
  relation: { ...databaseOf(prefix), relationNumber: wordAt(prefix, 9) },
  fork: prefix.charCodeAt(13) as Fork,
});
/** The same relation fork in another database. */
export const inDatabase = (prefix: Prefix, id: DatabaseId): Prefix =>
  makePrefix(kindOf(prefix), [id.tablespaceOid, id.databaseOid, wordAt(prefix, 9)], prefix.charCodeAt(13));

export const slruPagePrefix = (slru: Slru): Prefix => makePrefix(Kind.SLRU_PAGE, [SLRUS.indexOf(slru), 0, 0]);
export const slruSegmentPrefix = (slru: Slru): Prefix => makePrefix(Kind.SLRU_SEGMENT, [SLRUS.indexOf(slru), 0, 0]);
export const slruOf = (prefix: Prefix): Slru => {
  const slru = SLRUS[wordAt(prefix, 1)];
  if (slru === undefined) throw new RangeError(`no such SLRU: ${wordAt(prefix, 1)}`);
  return slru;
};

/** What redo must know about a page key; null for anything that is not a page. */
export function pageIdOf(key: Key): PageId | null {
  switch (kindOf(key.prefix)) {
    case Kind.RELATION_PAGE: {
      const { relation, fork } = relationOf(key.prefix);
      return { kind: 'relation', relation, fork, block: key.index };
    }
    case Kind.SLRU_PAGE:
      return { kind: 'slru', slru: slruOf(key.prefix), page: key.index };
    default:
      return null;
  }
}

export interface KeyRange {
  readonly first: Key;
  /** Inclusive. */
  readonly last: Key;
}

/** All keys of one kind, or of one kind in one database. */
export function rangeOfKind(kind: Kind, within?: DatabaseId): KeyRange {
  const low = within === undefined ? 0 : within.tablespaceOid;
  const high = within === undefined ? INDEX_MAX : within.tablespaceOid;
  return {
    first: { prefix: makePrefix(kind, [low, within?.databaseOid ?? 0, 0]), index: 0 },
    last: { prefix: makePrefix(kind, [high, within?.databaseOid ?? INDEX_MAX, INDEX_MAX], 255), index: INDEX_MAX },
  };
}

export function compareKeys(left: Key, right: Key): number {
  if (left.prefix === right.prefix) return left.index - right.index;
  return left.prefix < right.prefix ? -1 : 1;
}
export const sameKey = (left: Key, right: Key): boolean => left.prefix === right.prefix && left.index === right.index;
export const rangeHolds = (range: KeyRange, key: Key): boolean =>
  compareKeys(range.first, key) <= 0 && compareKeys(key, range.last) <= 0;
export const rangesMeet = (left: KeyRange, right: KeyRange): boolean =>
  compareKeys(left.first, right.last) <= 0 && compareKeys(right.first, left.last) <= 0;

export function writePrefix(prefix: Prefix, target: Uint8Array, at: number): void {
  for (let i = 0; i < PREFIX_SIZE; i++) target[at + i] = prefix.charCodeAt(i);
}
export function readPrefix(source: Uint8Array, at: number): Prefix {
  let text = '';
  for (let i = 0; i < PREFIX_SIZE; i++) text += String.fromCharCode(source[at + i] as number);
  return text as Prefix;
}

export const keyHex = (key: Key): string =>
  Array.from(key.prefix, (character) => character.charCodeAt(0).toString(16).padStart(2, '0')).join('') +
  key.index.toString(16).padStart(8, '0');

/** @throws SyntaxError unless `text` is 36 hex digits. */
export function parseKeyHex(text: string): Key {
  if (!/^[0-9a-f]{36}$/.test(text)) throw new SyntaxError(`not a key: ${JSON.stringify(text)}`);
  const bytes = Array.from({ length: PREFIX_SIZE }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
  return { prefix: String.fromCharCode(...bytes) as Prefix, index: parseInt(text.slice(28), 16) };
}
