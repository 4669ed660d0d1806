/** The MultiXact records (access/multixact.h) as values. */
import { MainDataReader } from '../wal/main-data';
import type { WalRecord } from '../wal/record';

export const MultixactOperation = { ZERO_OFFSETS: 0x00, ZERO_MEMBERS: 0x10, CREATE: 0x20, TRUNCATE: 0x30 } as const;

/** Multixact ids and member offsets go round at 2^32; neither is ever 0. */
export const nextMultixactId = (id: number): number => (id === 0xffff_ffff ? 1 : id + 1);
export const advanceMemberOffset = (offset: number, memberCount: number): number => (offset + memberCount) >>> 0 || 1;

export interface MultixactCreation {
  readonly id: number;
  /** Where its members begin. */
  readonly offset: number;
  readonly xids: Uint32Array;
  readonly statuses: Uint32Array;
}

/** @throws WalError when the record does not add up */
export function parseMultixactCreation(record: WalRecord): MultixactCreation {
  const reader = new MainDataReader(record);
  const id = reader.u32();
  const offset = reader.u32();
  const pairs = reader.u32s(reader.u32() * 2);
  return {
    id,
    offset,
    xids: pairs.filter((_, i) => i % 2 === 0),
    statuses: pairs.filter((_, i) => i % 2 === 1),
  };
}

export interface MultixactTruncation {
  readonly oldestDatabase: number;
  /** Multixact ids from `startId` up to, not including, `endId` are gone; likewise members. */
  readonly startId: number;
  readonly endId: number;
  readonly startMember: number;
  readonly endMember: number;
}

/** @throws WalError when the record does not add up */
export function parseMultixactTruncation(record: WalRecord): MultixactTruncation {
  const reader = new MainDataReader(record);
  return {
    oldestDatabase: reader.u32(),
    startId: reader.u32(),
    endId: reader.u32(),
    startMember: reader.u32(),
    endMember: reader.u32(),
  };
}
