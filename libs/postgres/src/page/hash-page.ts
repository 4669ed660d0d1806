/**
 * Hash index pages (access/hash.h).
 *
 *     special space: 0 prevblkno  4 nextblkno  8 bucket  12 flag  14 page id
 */
import { Corrupt } from '@neon/kernel';
import { maxAlign, readF64, readU16, readU32, writeF64, writeU16, writeU32 } from './little-endian';
import { INVALID_BLOCK, PAGE_HEADER_SIZE, PAGE_SIZE, initPage, pageSpecial, setPageLower } from './page-header';

const SPECIAL_SIZE = 16;
const AT = { previous: 0, next: 4, bucket: 8, flags: 12, pageId: 14 } as const;
const PAGE_ID = 0xff80;
const NO_BUCKET = 0xffff_ffff;

export const HashFlag = {
  UNUSED: 0x00,
  OVERFLOW: 0x01,
  BUCKET: 0x02,
  BITMAP: 0x04,
  META: 0x08,
  NEEDS_SPLIT_CLEANUP: 0x40,
  HAS_DEAD_TUPLES: 0x80,
} as const;
/** LH_PAGE_TYPE: the flags of which at most one is set. */
export const HASH_PAGE_TYPE = 0x0f;

export const hashFlags = (page: Uint8Array): number => readU16(page, pageSpecial(page) + AT.flags);
export const setHashFlags = (page: Uint8Array, flags: number): void =>
  writeU16(page, pageSpecial(page) + AT.flags, flags);
export const setHashPrevious = (page: Uint8Array, block: number): void =>
  writeU32(page, pageSpecial(page) + AT.previous, block);
export const setHashNext = (page: Uint8Array, block: number): void =>
  writeU32(page, pageSpecial(page) + AT.next, block);

export interface HashPlace {
  readonly previous: number;
  readonly bucket: number;
  readonly flags: number;
}

/** A page of a bucket, or one that is in none: free, bitmap, meta. */
export function initHashPage(page: Uint8Array, { previous, bucket, flags }: HashPlace): void {
  initPage(page, SPECIAL_SIZE);
  const special = pageSpecial(page);
  writeU32(page, special + AT.previous, previous);
  writeU32(page, special + AT.next, INVALID_BLOCK);
  writeU32(page, special + AT.bucket, bucket);
  writeU16(page, special + AT.flags, flags);
  writeU16(page, special + AT.pageId, PAGE_ID);
}

export const initUnbucketedPage = (page: Uint8Array, flags: number): void =>
  initHashPage(page, { previous: INVALID_BLOCK, bucket: NO_BUCKET, flags });

/** A bitmap page of `size` bytes, every overflow page in use. */
export function initHashBitmap(page: Uint8Array, size: number): void {
  initUnbucketedPage(page, HashFlag.BITMAP);
  if (PAGE_HEADER_SIZE + size > pageSpecial(page)) throw new Corrupt(`a hash bitmap of ${size} bytes`);
  page.fill(0xff, PAGE_HEADER_SIZE, PAGE_HEADER_SIZE + size);
  setPageLower(page, PAGE_HEADER_SIZE + size);
}

export function setHashBitmapBit(page: Uint8Array, bit: number, inUse: boolean): void {
  const at = PAGE_HEADER_SIZE + (bit >>> 5) * 4;
  if (at + 4 > pageSpecial(page)) throw new Corrupt(`bit ${bit} is beyond a hash bitmap page`);
  const mask = 1 << (bit & 31);
  writeU32(page, at, inUse ? readU32(page, at) | mask : readU32(page, at) & ~mask);
}

/** HashMetaPageData: fields by their distance from the page's beginning. */
const META = {
  magic: 24,
  version: 28,
  tupleCount: 32,
  fillFactor: 40,
  bucketSize: 42,
  bitmapSize: 44,
  bitmapShift: 46,
  maxBucket: 48,
  highMask: 52,
  lowMask: 56,
  overflowPoint: 60,
  firstFree: 64,
  mapCount: 68,
  procedure: 72,
  spares: 76,
  maps: 76 + 98 * 4,
} as const;
const SPARES_MAX = 98;
const MAPS_MAX = 1024;
const META_END = maxAlign(META.maps + MAPS_MAX * 4);

const HASH_MAGIC = 0x06440640;
const HASH_VERSION = 4;

export function addHashTuples(page: Uint8Array, count: number): void {
  setHashTupleCount(page, readF64(page, META.tupleCount) + count);
}
export const setHashTupleCount = (page: Uint8Array, count: number): void => writeF64(page, META.tupleCount, count);
export const setHashFirstFree = (page: Uint8Array, bit: number): void => writeU32(page, META.firstFree, bit);
export const hashMaxBucket = (page: Uint8Array): number => readU32(page, META.maxBucket);
export const setHashMaxBucket = (page: Uint8Array, bucket: number): void => writeU32(page, META.maxBucket, bucket);

export function setHashMasks(page: Uint8Array, { low, high }: { low: number; high: number }): void {
  writeU32(page, META.lowMask, low);
  writeU32(page, META.highMask, high);
}

/** Appends a bitmap page to the list that the metapage keeps. */
export function addHashBitmapPage(page: Uint8Array, block: number): void {
  const count = readU32(page, META.mapCount);
  if (count >= MAPS_MAX) throw new Corrupt('a hash index has too many bitmap pages');
  writeU32(page, META.maps + count * 4, block);
  writeU32(page, META.mapCount, count + 1);
}

/** One more overflow page has been allocated at the current splitpoint. */
export function countHashSpare(page: Uint8Array): void {
  const at = spareAt(readU32(page, META.overflowPoint));
  writeU32(page, at, readU32(page, at) + 1);
}

export function setHashSplitpoint(
  page: Uint8Array,
  { splitpoint, spares }: { splitpoint: number; spares: number },
): void {
  writeU32(page, spareAt(splitpoint), spares);
  writeU32(page, META.overflowPoint, splitpoint);
}

function spareAt(splitpoint: number): number {
  if (splitpoint >= SPARES_MAX) throw new Corrupt(`hash splitpoint ${splitpoint}`);
  return META.spares + splitpoint * 4;
}

export interface HashCreation {
  readonly tupleCount: number;
  readonly procedureOid: number;
  readonly fillFactor: number;
}

/** The metapage of an index sized for a number of tuples (_hash_init_metabuffer). */
export function initHashMeta(page: Uint8Array, { tupleCount, procedureOid, fillFactor }: HashCreation): void {
  initUnbucketedPage(page, HashFlag.META);
  const bucketCount = initialBuckets(tupleCount / fillFactor);
  const splitpoint = splitpointOf(bucketCount);
  const bucketSize = PAGE_SIZE - PAGE_HEADER_SIZE - SPECIAL_SIZE;
  const shift = 31 - Math.clz32(bucketSize);
  // The smallest power of two above the count, less one.
  const highMask = 2 ** (32 - Math.clz32(bucketCount)) - 1;
  writeU32(page, META.magic, HASH_MAGIC);
  writeU32(page, META.version, HASH_VERSION);
  writeU16(page, META.fillFactor, fillFactor);
  writeU16(page, META.bucketSize, bucketSize);
  writeU16(page, META.bitmapSize, 1 << shift);
  writeU16(page, META.bitmapShift, shift + 3);
  writeU32(page, META.procedure, procedureOid);
  setHashMaxBucket(page, bucketCount - 1);
  setHashMasks(page, { high: highMask, low: highMask >>> 1 });
  setHashSplitpoint(page, { splitpoint, spares: 1 });
  setPageLower(page, META_END);
}

/** Splitpoint groups below this are filled in one phase, those above in four. */
const SINGLE_PHASE_GROUPS = 10;
const PHASE_BITS = 2;
const PHASES = 1 << PHASE_BITS;

function initialBuckets(wanted: number): number {
  if (wanted <= 2) return 2;
  if (wanted >= 0x4000_0000) return 0x4000_0000;
  return bucketsUpTo(splitpointOf(Math.floor(wanted)));
}

/** The splitpoint phase in which a bucket count is reached (_hash_spareindex). */
function splitpointOf(bucketCount: number): number {
  const group = bucketCount <= 1 ? 0 : 32 - Math.clz32(bucketCount - 1);
  if (group < SINGLE_PHASE_GROUPS) return group;
  const phase = ((bucketCount - 1) >>> (group - (PHASE_BITS + 1))) & (PHASES - 1);
  return SINGLE_PHASE_GROUPS + ((group - SINGLE_PHASE_GROUPS) << PHASE_BITS) + phase;
}

/** How many buckets there are at the end of a splitpoint phase (_hash_get_totalbuckets). */
function bucketsUpTo(splitpoint: number): number {
  if (splitpoint < SINGLE_PHASE_GROUPS) return 1 << splitpoint;
  const group = SINGLE_PHASE_GROUPS + ((splitpoint - SINGLE_PHASE_GROUPS) >>> PHASE_BITS);
  const phase = ((splitpoint - SINGLE_PHASE_GROUPS) & (PHASES - 1)) + 1;
  const before = 2 ** (group - 1);
  return before + (before / PHASES) * phase;
}
