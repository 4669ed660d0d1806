/**
 * One record's bytes taken apart (DecodeXLogRecord): block references, images, data, as offsets into them.
 *
 *   P1  Every part of the result lies within the record.
 *   P2  Bytes that do not add up exactly throw `WalError`; the checksum is not looked at.
 */
import { Lsn } from '@neon/kernel';
import { readU16, readU32 } from '../page/little-endian';
import { versionOf, type PostgresVersion } from '../versions';
import { BlockFlag, IMAGE_HAS_HOLE, PartId, RECORD_HEADER_SIZE, RecordAt, readU64 } from './layout';
import type { BlockImage, BlockReference, Fork, PostgresMajor, RelationId, WalRecord } from './record';
import { WalError } from './wal-error';

const PAGE_SIZE = 8192;
const FORK_MAX = 3;

export interface RecordPosition {
  readonly major: PostgresMajor;
  readonly lsn: Lsn;
  readonly endLsn: Lsn;
}

/** A record of `size` bytes at `offset` of more of them. */
export interface RecordPlace {
  readonly offset: number;
  readonly size: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type BlockDraft = Mutable<Omit<BlockReference, 'image'>> & { image: Mutable<BlockImage> | null };

const NO_BLOCKS: BlockDraft[] = [];

const RELATIONS_KEPT = 64;
const relations: (RelationId | undefined)[] = new Array<RelationId | undefined>(RELATIONS_KEPT).fill(undefined);

/** @throws WalError when `bytes` is not one whole record. */
export function parseRecord(bytes: Uint8Array, position: RecordPosition): WalRecord {
  return parsePlacedRecord(bytes, { offset: 0, size: bytes.length }, position);
}

/** The same of a record that lies among other bytes, of which nothing is read. */
export function parsePlacedRecord(bytes: Uint8Array, place: RecordPlace, position: RecordPosition): WalRecord {
  const { offset, size } = place;
  if (size < RECORD_HEADER_SIZE || readU32(bytes, offset + RecordAt.size) !== size)
    throw new WalError('record-length', position.lsn, `${size} bytes are not one record`);
  return parser.parse(bytes, place, position);
}

/** Parses one record after the other: what it remembers of one is not looked at for the next. */
class RecordParser {
  private bytes: Uint8Array = new Uint8Array(0);
  /** Where the record ends in `bytes`. */
  private end = 0;
  private major: PostgresMajor = 17;
  private lsn: Lsn = Lsn.ZERO;
  private mainLength = 0;
  private originId = 0;
  private topLevelXid = 0;
  private at = 0;
  /** Bytes that block images, block data and main data will take at the end. */
  private dataSize = 0;
  private relation: RelationId | null = null;
  private blockIdMax = -1;

  parse(bytes: Uint8Array, { offset, size }: RecordPlace, { major, lsn, endLsn }: RecordPosition): WalRecord {
    this.bytes = bytes;
    this.end = offset + size;
    this.major = major;
    this.lsn = lsn;
    this.mainLength = 0;
    this.originId = 0;
    this.topLevelXid = 0;
    this.at = offset + RECORD_HEADER_SIZE;
    this.dataSize = 0;
    this.relation = null;
    this.blockIdMax = -1;
    const blocks = this.parseParts();
    this.placeData(blocks);
    return {
      major,
      lsn,
      endLsn,
      prevLsn: readU64(bytes, offset + RecordAt.prevLsn) as Lsn,
      xid: readU32(bytes, offset + RecordAt.xid),
      rmid: bytes[offset + RecordAt.rmid] as number,
      info: bytes[offset + RecordAt.info] as number,
      bytes,
      offset,
      size,
      blocks,
      mainOffset: this.end - this.mainLength,
      mainLength: this.mainLength,
      originId: this.originId,
      topLevelXid: this.topLevelXid,
    };
  }

  private parseParts(): BlockDraft[] {
    const { bytes } = this;
    let blocks = NO_BLOCKS;
    while (this.end - this.at > this.dataSize) {
      const id = bytes[this.take(1)] as number;
      if (id <= PartId.BLOCK_MAX) {
        const block = this.parseBlock(id);
        // Nearly every record names one: a literal is as large as that, an empty array grows to many at once.
        if (blocks === NO_BLOCKS) blocks = [block];
        else blocks.push(block);
      } else if (id === PartId.DATA_SHORT) {
        this.mainLength = bytes[this.take(1)] as number;
        break;
      } else if (id === PartId.DATA_LONG) {
        this.mainLength = readU32(bytes, this.take(4));
        break;
      } else if (id === PartId.ORIGIN) {
        this.originId = readU16(bytes, this.take(2));
      } else if (id === PartId.TOP_LEVEL_XID) {
        this.topLevelXid = readU32(bytes, this.take(4));
      } else {
        this.reject(`unknown part ${id}`);
      }
    }
    this.dataSize += this.mainLength;
    if (this.end - this.at !== this.dataSize)
      this.reject(`${this.end - this.at} bytes of data where the headers announce ${this.dataSize}`);
    return blocks;
  }

  /** Images and data follow the headers in the same order. */
  private placeData(blocks: BlockDraft[]): void {
    let at = this.at;
    for (const block of blocks) {
      if (block.image !== null) {
        block.image.offset = at;
        at += block.image.length;
      }
      block.dataOffset = at;
      at += block.dataLength;
    }
  }

  private parseBlock(id: number): BlockDraft {
    const { bytes } = this;
    if (id <= this.blockIdMax) this.reject(`block ${id} after block ${this.blockIdMax}`);
    this.blockIdMax = id;
    const at = this.take(3);
    const flags = bytes[at] as number;
    const fork = flags & BlockFlag.FORK_MASK;
    if (fork > FORK_MAX) this.reject(`block ${id} of fork ${fork}`);
    const dataLength = readU16(bytes, at + 1);
    if (((flags & BlockFlag.HAS_DATA) !== 0) !== dataLength > 0)
      this.reject(`block ${id} has ${dataLength} bytes of data`);
    this.dataSize += dataLength;
    const image = (flags & BlockFlag.HAS_IMAGE) === 0 ? null : this.parseImage(id);
    if ((flags & BlockFlag.SAME_RELATION) === 0) this.relation = this.parseRelation();
    if (this.relation === null) return this.reject(`block ${id} is of the same relation as none before it`);
    return {
      id,
      relation: this.relation,
      fork: fork as Fork,
      block: readU32(bytes, this.take(4)),
      willInit: (flags & BlockFlag.WILL_INIT) !== 0,
      dataOffset: 0,
      dataLength,
      image,
    };
  }

  /** Records mostly name relations that records shortly before named: those share one value. */
  private parseRelation(): RelationId {
    const at = this.take(12);
    const tablespaceOid = readU32(this.bytes, at);
    const databaseOid = readU32(this.bytes, at + 4);
    const relationNumber = readU32(this.bytes, at + 8);
    const slot = relationNumber % RELATIONS_KEPT;
    const known = relations[slot];
    if (
      known?.relationNumber === relationNumber &&
      known.databaseOid === databaseOid &&
      known.tablespaceOid === tablespaceOid
    )
      return known;
    return (relations[slot] = { tablespaceOid, databaseOid, relationNumber });
  }

  private parseImage(id: number): Mutable<BlockImage> {
    const { bytes } = this;
    const at = this.take(5);
    const length = readU16(bytes, at);
    const holeOffset = readU16(bytes, at + 2);
    const flags = bytes[at + 4] as number;
    const known = versionOf(this.major).imageFlags;
    const compression = compressionOf(flags, known);
    const hasHole = (flags & IMAGE_HAS_HOLE) !== 0;
    let holeLength = 0;
    if (compression === 'none') holeLength = PAGE_SIZE - length;
    else if (hasHole) holeLength = readU16(bytes, this.take(2));
    const holeIsSane = hasHole
      ? holeOffset > 0 && holeLength > 0 && holeOffset + holeLength <= PAGE_SIZE
      : holeOffset === 0 && holeLength === 0;
    const lengthIsSane = compression === 'none' ? length <= PAGE_SIZE : length < PAGE_SIZE;
    if (!holeIsSane || !lengthIsSane)
      this.reject(`image of block ${id}: ${length} bytes, ${holeLength} left out at ${holeOffset}`);
    this.dataSize += length;
    return { offset: 0, length, holeOffset, holeLength, compression, apply: (flags & known.apply) !== 0 };
  }

  private take(byteCount: number): number {
    const at = this.at;
    this.at += byteCount;
    if (this.at > this.end) this.reject('headers reach beyond the end');
    return at;
  }

  private reject(message: string): never {
    throw new WalError('record-content', this.lsn, message);
  }
}

const parser = new RecordParser();

function compressionOf(flags: number, known: PostgresVersion['imageFlags']): BlockImage['compression'] {
  if ((flags & known.pglz) !== 0) return 'pglz';
  if ((flags & known.lz4) !== 0) return 'lz4';
  if ((flags & known.zstd) !== 0) return 'zstd';
  return 'none';
}
