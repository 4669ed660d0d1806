/**
 * The arena: the file by which the page-fault shim of one compute knows which relation pages are still absent. Its
 * layout is native/page-arena.h; this writes it, at layout time, before Postgres starts.
 *
 *   R1  Every page of every entry begins absent. What has no entry is wholly local.
 *   R2  The words are sparse: an arena costs disk for the entries and for pages touched later, not for the database's size.
 *
 * @example
 *   await writeArena('/…/pages.arena', segmentsOf(relation).map(…)); // then start Postgres with NEON_PAGES_ARENA
 */
import { open } from 'node:fs/promises';

/** Blocks of one segment file: RELSEG_SIZE of every stock build. */
export const SEGMENT_BLOCKS = 131_072;
export const DEFAULT_TABLESPACE = 1663;
export const GLOBAL_TABLESPACE = 1664;

/** One fork of one relation, however many files it has. */
export interface RelationFork {
  readonly tablespaceOid: number;
  readonly databaseOid: number;
  readonly relationNumber: number;
  /** 0 main, 1 free space map, 2 visibility map, 3 init. */
  readonly fork: number;
}

/** One placeholder file. */
export interface ArenaEntry extends RelationFork {
  readonly segment: number;
  /** Length of the file in blocks, at most SEGMENT_BLOCKS. */
  readonly blockCount: number;
}

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Of the word by which the writing of WAL is slowed down. */
export const WAL_DELAY_OFFSET = 32;

const MAGIC = 'NEONPAGE';
const VERSION = 1;
const HEADER_SIZE = 64;
const ENTRY_SIZE = 32;
const WORD_SIZE = 4;
const PAGE_WORDS_MAX = 0xffff_ffff;
const FORK_SUFFIXES = ['', '_fsm', '_vm', '_init'] as const;

/** The files of a relation fork of `blockCount` blocks, as Postgres cuts it (md.c): full segments, then the rest. */
export function segmentsOf(relation: RelationFork, blockCount: number): ArenaEntry[] {
  const entries: ArenaEntry[] = [];
  for (let segment = 0; segment === 0 || segment * SEGMENT_BLOCKS < blockCount; segment++)
    entries.push({ ...relation, segment, blockCount: Math.min(SEGMENT_BLOCKS, blockCount - segment * SEGMENT_BLOCKS) });
  return entries;
}

/** The name of the entry's file, relative to the data directory. @throws RangeError outside the two standard tablespaces. */
export function segmentPath({ tablespaceOid, databaseOid, relationNumber, fork, segment }: ArenaEntry): string {
  const name = `${relationNumber}${FORK_SUFFIXES[fork] ?? ''}${segment === 0 ? '' : `.${segment}`}`;
  if (tablespaceOid === DEFAULT_TABLESPACE) return `base/${databaseOid}/${name}`;
  if (tablespaceOid === GLOBAL_TABLESPACE) return `global/${name}`;
  throw new RangeError(`tablespace ${tablespaceOid} has no place in a compute's data directory`);
}

/** Writes the arena file anew, readable by `owner` alone. @throws RangeError on entries that no arena can hold. */
export async function writeArena(path: string, entries: readonly ArenaEntry[], owner?: FileOwner): Promise<void> {
  const { table, sizeBytes } = encodeArena(entries);
  const file = await open(path, 'w', 0o600);
  try {
    await file.write(table);
    await file.truncate(sizeBytes);
    if (owner !== undefined) await file.chown(owner.uid, owner.gid);
  } finally {
    await file.close();
  }
}

/** Header and entries; the words that follow up to `sizeBytes` are zeros. */
export function encodeArena(entries: readonly ArenaEntry[]): { table: Uint8Array; sizeBytes: number } {
  const sorted = entries.filter((entry) => entry.blockCount > 0).sort(compareKeys);
  const table = new Uint8Array(HEADER_SIZE + sorted.length * ENTRY_SIZE);
  const view = new DataView(table.buffer);
  let wordCount = 0;
  sorted.forEach((entry, index) => {
    refuseImpossible(entry, sorted[index - 1]);
    const fields = [...keyOf(entry), entry.blockCount, wordCount];
    const at = HEADER_SIZE + index * ENTRY_SIZE;
    fields.forEach((field, position) => view.setUint32(at + position * 4, field, true));
    wordCount += entry.blockCount;
  });
  if (wordCount > PAGE_WORDS_MAX)
    throw new RangeError(`an arena has room for ${PAGE_WORDS_MAX} pages, not ${wordCount}`);
  const wordsOffset = Math.ceil(table.length / 4096) * 4096;
  const sizeBytes = wordsOffset + wordCount * WORD_SIZE;
  table.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, sorted.length, true);
  view.setBigUint64(16, BigInt(wordsOffset), true);
  view.setBigUint64(24, BigInt(sizeBytes), true);
  return { table, sizeBytes };
}

const keyOf = (entry: ArenaEntry): number[] => [
  entry.tablespaceOid,
  entry.databaseOid,
  entry.relationNumber,
  entry.fork,
  entry.segment,
];

const compareKeys = (a: ArenaEntry, b: ArenaEntry): number =>
  a.tablespaceOid - b.tablespaceOid ||
  a.databaseOid - b.databaseOid ||
  a.relationNumber - b.relationNumber ||
  a.fork - b.fork ||
  a.segment - b.segment;

function refuseImpossible(entry: ArenaEntry, previous: ArenaEntry | undefined): void {
  const path = segmentPath(entry);
  if (entry.blockCount > SEGMENT_BLOCKS) throw new RangeError(`${path}: ${entry.blockCount} blocks in one segment`);
  if (entry.fork > 3) throw new RangeError(`${path}: no fork ${entry.fork}`);
  if (previous !== undefined && compareKeys(previous, entry) === 0) throw new RangeError(`${path} is named twice`);
}
