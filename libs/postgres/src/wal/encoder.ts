/**
 * WAL as Postgres would write it, for the few records we write ourselves and for tests.
 *
 *   E1  `encodeRecord` of a draft, parsed again, gives the draft's parts back.
 *   E2  What `WalEncoder.append` returns, in order, is a stream that a decoder started at `startLsn` reads.
 */
import { Lsn, type SystemId } from '@neon/kernel';
import { writeU16, writeU32 } from '../page/little-endian';
import { versionOf } from '../versions';
import {
  BlockFlag,
  IMAGE_HAS_HOLE,
  PartId,
  RECORD_HEADER_SIZE,
  RMGR_INFO_MASK,
  RecordAt,
  WAL_PAGE_SIZE,
  alignRecord,
  writeU64,
} from './layout';
import { encodePageHeader, type WalFormat } from './page-header';
import type { BlockImage, Fork, PostgresMajor, RelationId } from './record';
import { recordChecksum } from './record-checksum';

export interface ImageDraft extends Omit<BlockImage, 'offset' | 'length'> {
  /** The stored image: without the hole, compressed when `compression` says so. */
  readonly bytes: Uint8Array;
}

export interface BlockDraft {
  readonly id: number;
  readonly relation: RelationId;
  readonly fork?: Fork;
  readonly block: number;
  readonly willInit?: boolean;
  readonly data?: Uint8Array;
  readonly image?: ImageDraft;
}

export interface RecordDraft {
  readonly rmid: number;
  readonly info: number;
  readonly xid?: number;
  readonly main?: Uint8Array;
  readonly blocks?: readonly BlockDraft[];
  readonly originId?: number;
  readonly topLevelXid?: number;
}

export interface RecordLink {
  readonly major: PostgresMajor;
  readonly prevLsn: Lsn;
}

const NOTHING = new Uint8Array(0);
const DATA_SHORT_MAX = 255;

/** The whole record, header and checksum included; without padding. */
export function encodeRecord(draft: RecordDraft, link: RecordLink): Uint8Array {
  const record = assembleRecord(draft, link);
  writeU32(record, RecordAt.crc, recordChecksum(record));
  return record;
}

/** A record without its checksum. */
export function assembleRecord(draft: RecordDraft, { major, prevLsn }: RecordLink): Uint8Array {
  const parts = [recordHeader(draft, prevLsn), ...blockHeaders(draft.blocks ?? [], major), ...dataHeaders(draft)];
  for (const block of draft.blocks ?? []) parts.push(block.image?.bytes ?? NOTHING, block.data ?? NOTHING);
  parts.push(draft.main ?? NOTHING);
  const record = concat(parts);
  writeU32(record, RecordAt.size, record.length);
  return record;
}

function recordHeader({ xid = 0, rmid, info }: RecordDraft, prevLsn: Lsn): Uint8Array {
  const header = new Uint8Array(RECORD_HEADER_SIZE);
  writeU32(header, RecordAt.xid, xid);
  writeU64(header, RecordAt.prevLsn, prevLsn);
  header[RecordAt.info] = info;
  header[RecordAt.rmid] = rmid;
  return header;
}

function blockHeaders(blocks: readonly BlockDraft[], major: PostgresMajor): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let relation: RelationId | null = null;
  for (const block of blocks) {
    const data = block.data ?? NOTHING;
    const sameRelation = relation !== null && relationsEqual(relation, block.relation);
    const header = new Uint8Array(4);
    header[0] = block.id;
    header[1] =
      (block.fork ?? 0) |
      (block.image === undefined ? 0 : BlockFlag.HAS_IMAGE) |
      (data.length === 0 ? 0 : BlockFlag.HAS_DATA) |
      (block.willInit === true ? BlockFlag.WILL_INIT : 0) |
      (sameRelation ? BlockFlag.SAME_RELATION : 0);
    writeU16(header, 2, data.length);
    parts.push(header);
    if (block.image !== undefined) parts.push(imageHeader(block.image, major));
    if (!sameRelation) {
      relation = block.relation;
      parts.push(u32s(relation.tablespaceOid, relation.databaseOid, relation.relationNumber));
    }
    parts.push(u32s(block.block));
  }
  return parts;
}

function imageHeader(image: ImageDraft, major: PostgresMajor): Uint8Array {
  const flags = versionOf(major).imageFlags;
  const compressed = image.compression !== 'none';
  const hasHole = image.holeLength > 0;
  const header = new Uint8Array(compressed && hasHole ? 7 : 5);
  writeU16(header, 0, image.bytes.length);
  writeU16(header, 2, image.holeOffset);
  header[4] =
    (hasHole ? IMAGE_HAS_HOLE : 0) |
    (image.apply ? flags.apply : 0) |
    (image.compression === 'none' ? 0 : flags[image.compression]);
  if (compressed && hasHole) writeU16(header, 5, image.holeLength);
  return header;
}

function dataHeaders({ originId = 0, topLevelXid = 0, main = NOTHING }: RecordDraft): Uint8Array[] {
  const parts: Uint8Array[] = [];
  if (originId !== 0) parts.push(Uint8Array.of(PartId.ORIGIN, originId & 0xff, originId >>> 8));
  if (topLevelXid !== 0) parts.push(Uint8Array.of(PartId.TOP_LEVEL_XID), u32s(topLevelXid));
  if (main.length > DATA_SHORT_MAX) parts.push(Uint8Array.of(PartId.DATA_LONG), u32s(main.length));
  else if (main.length > 0) parts.push(Uint8Array.of(PartId.DATA_SHORT, main.length));
  return parts;
}

export interface WalEncoderOptions extends WalFormat {
  readonly startLsn: Lsn;
  /** Start of the record before `startLsn`. */
  readonly prevLsn: Lsn;
  readonly systemId: SystemId;
  readonly timelineId?: number;
}

export interface EncodedWal {
  /** The bytes from where the encoder stood to `endLsn`, page headers and padding included. */
  readonly bytes: Uint8Array;
  readonly recordLsn: Lsn;
  readonly endLsn: Lsn;
}

export class WalEncoder {
  private position: number;
  private prevLsn: Lsn;

  constructor(private readonly options: WalEncoderOptions) {
    this.position = options.startLsn;
    this.prevLsn = options.prevLsn;
  }

  get endLsn(): Lsn {
    return this.position as Lsn;
  }

  append(draft: RecordDraft): EncodedWal {
    const record = encodeRecord(draft, { major: this.options.major, prevLsn: this.prevLsn });
    const parts: Uint8Array[] = [];
    this.startPage(parts, 0);
    const recordLsn = Lsn.of(this.position);
    for (let at = 0; at < record.length;) {
      this.startPage(parts, at === 0 ? 0 : record.length - at);
      const take = Math.min(record.length - at, this.pageLeft());
      parts.push(record.subarray(at, at + take));
      at += take;
      this.position += take;
    }
    this.pad(parts, alignRecord(this.position));
    if (draft.rmid === 0 && (draft.info & RMGR_INFO_MASK) === 0x40) this.padSegment(parts);
    this.prevLsn = recordLsn;
    return { bytes: concat(parts), recordLsn, endLsn: Lsn.of(this.position) };
  }

  private pageLeft(): number {
    return WAL_PAGE_SIZE - (this.position % WAL_PAGE_SIZE);
  }

  private startPage(parts: Uint8Array[], remaining: number): void {
    if (this.position % WAL_PAGE_SIZE !== 0) return;
    const { systemId, timelineId = 1 } = this.options;
    const header = encodePageHeader(this.options, { lsn: Lsn.of(this.position), systemId, timelineId, remaining });
    parts.push(header);
    this.position += header.length;
  }

  private pad(parts: Uint8Array[], to: number): void {
    parts.push(new Uint8Array(to - this.position));
    this.position = to;
  }

  private padSegment(parts: Uint8Array[]): void {
    while (this.position % this.options.segmentSize !== 0) {
      this.startPage(parts, 0);
      this.pad(parts, this.position + this.pageLeft());
    }
  }
}

const relationsEqual = (a: RelationId, b: RelationId): boolean =>
  a.tablespaceOid === b.tablespaceOid && a.databaseOid === b.databaseOid && a.relationNumber === b.relationNumber;

function u32s(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, i) => writeU32(bytes, i * 4, value));
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
