/**
 * WAL streams for the decoder: pieces of real WAL, and streams written for the purpose over tiny segments, changed here and
 * there, with and without their checksums made right again.
 */
import { Lsn, SystemId } from '@neon/kernel';
import {
  LONG_PAGE_HEADER_SIZE,
  POSTGRES_MAJORS,
  SHORT_PAGE_HEADER_SIZE,
  WAL_PAGE_SIZE,
  WalDecoder,
  WalEncoder,
  recordBytes,
  recordChecksum,
  type RecordDraft,
  type WalRecord,
} from '@neon/postgres';
import type { RandomSource } from '../workload/random-source';
import type { StreamInput } from './input';
import { mutateInPlace, mutated } from './mutate-bytes';

const SIZES: readonly [number, ...number[]] = [0, 1, 7, 8, 40, 255, 256, 4000, 8100, 8150, 8192, 30_000, 70_000];
const SYSTEM_ID = SystemId.parse('7300000000000000001');
const CRC_AT = 20;

/** A stream of some records over segments of two to four pages. */
export function writtenStream(random: RandomSource): StreamInput {
  const segmentSize = (2 + random.below(3)) * WAL_PAGE_SIZE;
  const page = (1 + random.below(1000)) * WAL_PAGE_SIZE;
  const startLsn = Lsn.of(page + random.pick([0, LONG_PAGE_HEADER_SIZE, 4096, WAL_PAGE_SIZE - 8, WAL_PAGE_SIZE - 32]));
  const major = POSTGRES_MAJORS[random.below(POSTGRES_MAJORS.length)] ?? 17;
  const encoder = new WalEncoder({ major, segmentSize, startLsn, prevLsn: Lsn.of(startLsn - 64), systemId: SYSTEM_ID });
  const parts = Array.from({ length: 1 + random.below(8) }, () => encoder.append(writtenDraft(random)).bytes);
  return { kind: 'stream', major, segmentSize, startLsn, bytes: new Uint8Array(Buffer.concat(parts)) };
}

function writtenDraft(random: RandomSource): RecordDraft {
  if (random.below(12) === 0) return { rmid: 0, info: 0x40 };
  const main = new Uint8Array(random.pick(SIZES)).fill(random.below(256));
  return { rmid: random.below(22), info: random.below(16) << 4, xid: random.below(2000), main };
}

export function mutateStream(seed: StreamInput, random: RandomSource): StreamInput {
  const bytes = seed.bytes.slice();
  const input = { ...seed, bytes };
  switch (random.below(8)) {
    case 0:
      return { ...seed, bytes: mutated(seed.bytes, random) };
    case 1:
      mutateInPlace(bytes, random);
      return input;
    case 2:
      mutatePageHeader(input, random);
      return input;
    case 3:
      swapPages(bytes, random);
      return input;
    case 4:
      return { ...seed, startLsn: Lsn.of(seed.startLsn + random.pick([1, 2, -1]) * WAL_PAGE_SIZE) };
    default:
      mutateOneRecord(input, random);
      return input;
  }
}

const firstPage = ({ startLsn }: StreamInput): number => (WAL_PAGE_SIZE - (startLsn % WAL_PAGE_SIZE)) % WAL_PAGE_SIZE;

function mutatePageHeader(input: StreamInput, random: RandomSource): void {
  const pages = Math.floor((input.bytes.length - firstPage(input)) / WAL_PAGE_SIZE);
  const at = firstPage(input) + random.below(Math.max(1, pages)) * WAL_PAGE_SIZE;
  const header = input.bytes.subarray(at, at + LONG_PAGE_HEADER_SIZE);
  if (random.below(2) === 0) mutateInPlace(header, random);
  else if (header.length > 2) header[2] = random.below(16);
}

function swapPages(bytes: Uint8Array, random: RandomSource): void {
  const [from, to] = [random.below(bytes.length), random.below(bytes.length)];
  const kept = bytes.slice(to, to + WAL_PAGE_SIZE);
  bytes.copyWithin(to, from, from + WAL_PAGE_SIZE);
  bytes.set(kept.subarray(0, bytes.length - from), from);
}

/** Changes a record where it lies; half of the time it gets its checksum, so that the change arrives. */
function mutateOneRecord(input: StreamInput, random: RandomSource): void {
  const records = recordsOf(input);
  const record = records[random.below(Math.max(1, records.length))];
  if (record === undefined) return;
  const bytes = recordBytes(record).slice();
  mutateInPlace(random.below(2) === 0 ? bytes.subarray(0, 24) : bytes, random);
  if (random.below(2) === 0) new DataView(bytes.buffer).setUint32(CRC_AT, recordChecksum(bytes), true);
  writeBack(input, record.lsn, bytes);
}

function recordsOf({ major, segmentSize, startLsn, bytes }: StreamInput): WalRecord[] {
  const decoder = new WalDecoder({ major, segmentSize, startLsn });
  decoder.push(bytes);
  const records: WalRecord[] = [];
  try {
    for (let record = decoder.next(); record !== null; record = decoder.next()) records.push(record);
  } catch {
    // Of a broken stream, the records before the break.
  }
  return records;
}

function writeBack({ bytes, startLsn, segmentSize }: StreamInput, lsn: Lsn, record: Uint8Array): void {
  let position: number = lsn;
  for (const byte of record) {
    if (position % WAL_PAGE_SIZE === 0)
      position += position % segmentSize === 0 ? LONG_PAGE_HEADER_SIZE : SHORT_PAGE_HEADER_SIZE;
    bytes[position++ - startLsn] = byte;
  }
}
