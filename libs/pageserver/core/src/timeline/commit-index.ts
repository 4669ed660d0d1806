/**
 * Where transactions committed: for each commit record of a timeline its LSNs, its time and the logical size after it.
 *
 *   I1  Entries are in LSN order. A boundary is the end of a commit record: a branch made there shows exactly the
 *       transactions that committed at or before it.
 *   I2  `firstAfter(time)` is the first entry, in LSN order, with a later time. Clocks may run backwards; LSN order decides.
 *   I3  The encoded form carries its version, its count and a checksum; whatever differs is Corrupt.
 *
 * File: magic "NLCM" | u16 version | u16 0 | u32 count | u32 crc32c of what follows | columns as differences, in
 * variable-length integers.
 */
import { ByteReader, ByteWriter, Corrupt, Lsn, crc32c } from '@neon/kernel';

export interface CommitBoundary {
  /** End of the commit record. */
  readonly lsn: Lsn;
  /** Its start: the previous record of whatever is written at `lsn`. */
  readonly prevRecordLsn: Lsn;
  /** Unix epoch. */
  readonly timestampUs: number;
  readonly logicalSizeBytes: number;
}

const MAGIC = 0x4e4c_434d;
const VERSION = 2;
const HEADER_SIZE = 16;
const COLUMNS = 4;

/** Commits in memory: four columns side by side, only ever added to. */
export class CommitColumns {
  private rows = new Float64Array(16 * COLUMNS);
  private length = 0;
  timestampMaxUs = -Infinity;

  get count(): number {
    return this.length;
  }

  push(commit: CommitBoundary): void {
    if ((this.length + 1) * COLUMNS > this.rows.length) {
      const larger = new Float64Array(this.rows.length * 2);
      larger.set(this.rows);
      this.rows = larger;
    }
    const { lsn, prevRecordLsn, timestampUs, logicalSizeBytes } = commit;
    this.rows.set([lsn, prevRecordLsn, timestampUs, logicalSizeBytes], this.length * COLUMNS);
    this.length++;
    this.timestampMaxUs = Math.max(this.timestampMaxUs, timestampUs);
  }

  at(i: number): CommitBoundary {
    const row = i * COLUMNS;
    return {
      lsn: this.rows[row] as Lsn,
      prevRecordLsn: this.rows[row + 1] as Lsn,
      timestampUs: this.rows[row + 2] as number,
      logicalSizeBytes: this.rows[row + 3] as number,
    };
  }

  /** How many commits end at or below `lsn`. */
  countUpTo(lsn: Lsn): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.rows[middle * COLUMNS] as number) <= lsn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Position of the first commit with a time after `timestampUs`; `count` when there is none. */
  firstAfter(timestampUs: number): number {
    if (this.timestampMaxUs <= timestampUs) return this.length;
    let i = 0;
    while ((this.rows[i * COLUMNS + 2] as number) <= timestampUs) i++;
    return i;
  }
}

export function encodeCommits(commits: CommitColumns): Uint8Array {
  const body = new ByteWriter(commits.count * 8);
  let previous: CommitBoundary = { lsn: Lsn.ZERO, prevRecordLsn: Lsn.ZERO, timestampUs: 0, logicalSizeBytes: 0 };
  for (let i = 0; i < commits.count; i++) {
    const commit = commits.at(i);
    writeVarint(body, commit.lsn - previous.lsn);
    writeVarint(body, commit.lsn - commit.prevRecordLsn);
    writeSigned(body, commit.timestampUs - previous.timestampUs);
    writeSigned(body, commit.logicalSizeBytes - previous.logicalSizeBytes);
    previous = commit;
  }
  const content = body.finish();
  return new ByteWriter(HEADER_SIZE + content.length)
    .u32(MAGIC)
    .u16(VERSION)
    .u16(0)
    .u32(commits.count)
    .u32(crc32c(content, 0, content.length) ^ commits.count)
    .bytes(content)
    .finish();
}

/** @throws Corrupt */
export function decodeCommits(bytes: Uint8Array): CommitColumns {
  if (bytes.length < HEADER_SIZE) throw new Corrupt('commit index file is cut short');
  const source = new ByteReader(bytes);
  if (source.u32() !== MAGIC) throw new Corrupt('not a commit index file');
  const version = source.u16();
  if (version !== VERSION || source.u16() !== 0)
    throw new Corrupt(`commit index file version ${version}, known is ${VERSION}`);
  const count = source.u32();
  const checksum = source.u32();
  if ((crc32c(bytes, HEADER_SIZE) ^ count) >>> 0 !== checksum) throw new Corrupt('commit index checksum differs');
  const commits = new CommitColumns();
  let [lsn, timestampUs, logicalSizeBytes] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    lsn += readVarint(source);
    const prevRecordLsn = Lsn.of(lsn - readVarint(source));
    timestampUs += readSigned(source);
    logicalSizeBytes += readSigned(source);
    commits.push({ lsn: Lsn.of(lsn), prevRecordLsn, timestampUs, logicalSizeBytes });
  }
  source.end();
  return commits;
}

function writeVarint(out: ByteWriter, value: number): void {
  let rest = value;
  while (rest >= 128) {
    out.u8((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  out.u8(rest);
}
function readVarint(source: ByteReader): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = source.u8();
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
}
const writeSigned = (out: ByteWriter, value: number): void => writeVarint(out, value < 0 ? -2 * value - 1 : 2 * value);
function readSigned(source: ByteReader): number {
  const value = readVarint(source);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
