/** The files of pg_twophase (access/transam/twophase.c): the state of a prepared transaction, and its checksum. */
import { crc32c } from '@neon/kernel';
import { writeU32 } from '../page/little-endian';
import { versionOf } from '../versions';
import type { PostgresMajor } from '../wal/record';
import { FullXid } from './xid';

export interface TwoPhaseName {
  readonly major: PostgresMajor;
  readonly xid: number;
  /** Full next xid of the server that will read the file: tells the epoch of `xid`. */
  readonly nextXid: number;
}

export const TwoPhaseFile = {
  /** 8 hex digits of the xid; from Postgres 17 on preceded by 8 of its epoch. */
  fileName({ major, xid, nextXid }: TwoPhaseName): string {
    const hex8 = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
    if (versionOf(major).twoPhaseNameDigits === 8) return hex8(xid);
    return hex8(FullXid.epoch(FullXid.before(nextXid, xid))) + hex8(xid);
  },

  /** The file's content for the state that a PREPARE record carries. */
  encode(state: Uint8Array): Uint8Array {
    const content = new Uint8Array(state.length + 4);
    content.set(state);
    writeU32(content, state.length, crc32c(state));
    return content;
  },
};
