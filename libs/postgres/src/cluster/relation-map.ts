/**
 * pg_filenode.map (utils/cache/relmapper.c): which file holds each catalog that pg_class cannot name.
 *
 *   R1  `parseRelationMap` throws `Corrupt` unless size, magic, count and checksum are right.
 */
import { Corrupt, crc32c } from '@neon/kernel';
import { readU32 } from '../page/little-endian';
import { versionOf } from '../versions';
import type { PostgresMajor } from '../wal/record';

const MAGIC = 0x592717;
const ENTRIES_AT = 8;
const ENTRY_SIZE = 8;
const CRC_SIZE = 4;

/** Relation number by catalog OID. */
export type RelationMap = ReadonlyMap<number, number>;

export function parseRelationMap(content: Uint8Array, major: PostgresMajor): RelationMap {
  const { relationMapSize } = versionOf(major);
  if (content.length !== relationMapSize)
    throw new Corrupt(`relation map of ${content.length} bytes, not ${relationMapSize}`);
  if (readU32(content, 0) !== MAGIC) throw new Corrupt(`relation map of magic ${readU32(content, 0).toString(16)}`);
  const count = readU32(content, 4);
  const crcAt = crcPosition(content.length);
  if (count > (crcAt - ENTRIES_AT) / ENTRY_SIZE) throw new Corrupt(`relation map of ${count} entries`);
  if (crc32c(content, 0, crcAt) !== readU32(content, crcAt))
    throw new Corrupt('relation map does not have its checksum');
  return new Map(
    Array.from({ length: count }, (_, i) => {
      const at = ENTRIES_AT + i * ENTRY_SIZE;
      return [readU32(content, at), readU32(content, at + 4)] as const;
    }),
  );
}

/** The checksum follows the last whole entry; the 512 bytes of Postgres 14 and 15 end with padding. */
const crcPosition = (size: number): number =>
  ENTRIES_AT + Math.floor((size - ENTRIES_AT - CRC_SIZE) / ENTRY_SIZE) * ENTRY_SIZE;
