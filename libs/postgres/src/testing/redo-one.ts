/** One record made by hand and redone on one page: for specs. */
import { Lsn } from '@neon/kernel';
import { writeU16, writeU32 } from '../page/little-endian';
import { redoBlock } from '../redo/registry';
import { encodeRecord, type RecordDraft } from '../wal/encoder';
import { parseRecord } from '../wal/parse-record';
import type { PostgresMajor, RelationId } from '../wal/record';

export const RELATION: RelationId = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384 };
export const END_LSN = Lsn.of(0x2000100);

export interface Redone {
  readonly major?: PostgresMajor;
  readonly blockId?: number;
  readonly walLogHints?: boolean;
}

/** @returns the page that was given */
export function redoOne(
  draft: RecordDraft,
  page: Uint8Array,
  { major = 17, blockId = 0, walLogHints = false }: Redone = {},
): Uint8Array {
  const bytes = encodeRecord(draft, { major, prevLsn: Lsn.of(0x1fffff8) });
  const record = parseRecord(bytes, { major, lsn: Lsn.of(0x2000000), endLsn: END_LSN });
  const block = record.blocks.find(({ id }) => id === blockId);
  if (block === undefined) throw new Error(`the record names no block ${blockId}`);
  redoBlock({ record, block, endLsn: END_LSN, walLogHints }, page);
  return page;
}

export const shorts = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 2);
  values.forEach((value, index) => writeU16(bytes, index * 2, value));
  return bytes;
};
export const words = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, index) => writeU32(bytes, index * 4, value));
  return bytes;
};
export const join = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
