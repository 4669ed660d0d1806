/**
 * WAL segments: files of equal size under Postgres' own names (`XLogFileName`).
 *
 * @example WalSegment.fileName({ lsn: Lsn.parse('0/16B3748'), segmentSize: 16 << 20 }) // '000000010000000000000001'
 */
import { Lsn } from '@neon/kernel';

const LOG_FILE_SIZE = 0x1_0000_0000;
const FILE_NAME = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/;

const hex8 = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');

export interface WalSegmentAddress {
  readonly lsn: Lsn;
  readonly segmentSize: number;
  readonly timelineId?: number;
}

export const WalSegment = {
  /** Where the segment that holds `lsn` begins. */
  startLsn: ({ lsn, segmentSize }: WalSegmentAddress): Lsn => Lsn.of(Math.floor(lsn / segmentSize) * segmentSize),

  offset: ({ lsn, segmentSize }: WalSegmentAddress): number => lsn % segmentSize,

  fileName({ lsn, segmentSize, timelineId = 1 }: WalSegmentAddress): string {
    const segmentsPerLog = LOG_FILE_SIZE / segmentSize;
    const number = Math.floor(lsn / segmentSize);
    return hex8(timelineId) + hex8(Math.floor(number / segmentsPerLog)) + hex8(number % segmentsPerLog);
  },

  /** The address a file name stands for; null when it is not the name of a segment of that size. */
  parseFileName(name: string, segmentSize: number): Required<WalSegmentAddress> | null {
    const match = FILE_NAME.exec(name);
    if (match === null) return null;
    const [timelineId = 0, log = 0, segment = 0] = match.slice(1).map((digits) => parseInt(digits, 16));
    if (segment >= LOG_FILE_SIZE / segmentSize) return null;
    return { lsn: Lsn.of(log * LOG_FILE_SIZE + segment * segmentSize), segmentSize, timelineId };
  },
};
