/**
 * The bytes of a page change: a kind, then what that kind needs, little-endian.
 *
 *   RECORD              u8 flags | u8 block id | u32 bytes from record to its end in WAL | the record
 *   ZERO                nothing: the page is all zeros
 *   VM_CLEAR            (u16 heap block within the map page | u8 bits)*
 *   VM_TRUNCATE         u16 first heap block within the map page that is gone
 *   CLOG_STATUS         u8 status | (u16 transaction within the page)*
 *   MULTIXACT_OFFSETS   (u16 multixact within the page | u32 offset)*
 *   MULTIXACT_MEMBERS   u16 first member within the page | (u32 xid | u8 status)*
 *   COMMIT_TS           i64 microseconds | u16 origin | (u16 transaction within the page)*
 *
 *   X1  Kinds and layouts are permanent: deltas are stored. A new layout is a new kind.
 *   X2  A delta that is cut short, or names an entry that its page does not have, throws `Corrupt`.
 */
import { Corrupt } from '@neon/kernel';
import { readU16 } from '../page/little-endian';

export const DeltaKind = {
  RECORD: 1,
  ZERO: 2,
  VM_CLEAR: 3,
  VM_TRUNCATE: 4,
  CLOG_STATUS: 5,
  MULTIXACT_OFFSETS: 6,
  MULTIXACT_MEMBERS: 7,
  COMMIT_TS: 8,
} as const;

/** The entry that a delta names at `at`, of the `count` on its page. @throws Corrupt (X2) */
export function readEntry(delta: Uint8Array, at: number, count: number): number {
  const entry = at + 2 > delta.length ? count : readU16(delta, at);
  if (entry >= count) throw new Corrupt(`a page delta of kind ${delta[0]} does not fit a page of ${count} entries`);
  return entry;
}

export const zeroDelta = (): Uint8Array => Uint8Array.of(DeltaKind.ZERO);
