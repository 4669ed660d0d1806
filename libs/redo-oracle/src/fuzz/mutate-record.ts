/**
 * A record changed in its structure, with sizes, block headers and checksum that fit again: what gets past the decoder and
 * must be caught by redo, if anything is wrong with it.
 */
import {
  PAGE_SIZE,
  POSTGRES_MAJORS,
  encodeRecord,
  initPage,
  parseRecord,
  type BlockDraft,
  type ImageDraft,
  type RecordDraft,
  type WalRecord,
} from '@neon/postgres';
import type { RandomSource } from '../workload/random-source';
import type { PageBeneath, RecordInput } from './input';
import { mutateInPlace, mutated } from './mutate-bytes';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Mutable<RecordDraft> & { blocks: Mutable<BlockDraft>[]; main: Uint8Array };

/** @param others seeds from which parts are borrowed */
export function mutateRecord(
  seed: RecordInput,
  others: readonly [RecordInput, ...RecordInput[]],
  random: RandomSource,
): RecordInput {
  const record = parseRecord(seed.bytes, seed);
  const draft = draftOf(record);
  for (let count = random.below(3); count >= 0; count--) mutateDraft(draft, others, random);
  const major =
    random.below(8) === 0 ? (POSTGRES_MAJORS[random.below(POSTGRES_MAJORS.length)] ?? seed.major) : seed.major;
  const bytes = encodeRecord(draft, { major, prevLsn: record.prevLsn });
  const pages = draft.blocks.map(({ id }): PageBeneath => ({ blockId: id, page: pageFor(seed, id, others, random) }));
  return { ...seed, major, bytes, pages: random.below(16) === 0 ? [] : pages };
}

function draftOf(record: WalRecord): Draft {
  const { bytes, mainOffset, mainLength, rmid, info, xid, originId, topLevelXid } = record;
  const blocks = record.blocks.map(({ id, relation, fork, block, willInit, dataOffset, dataLength, image }) => ({
    ...{ id, relation, fork, block, willInit },
    data: bytes.slice(dataOffset, dataOffset + dataLength),
    ...(image !== null && { image: { ...image, bytes: bytes.slice(image.offset, image.offset + image.length) } }),
  }));
  return { rmid, info, xid, originId, topLevelXid, main: bytes.slice(mainOffset, mainOffset + mainLength), blocks };
}

type Mutation = (draft: Draft, others: readonly [RecordInput, ...RecordInput[]], random: RandomSource) => void;

/** Without blocks there is but main data to change. */
function mutateDraft(...args: Parameters<Mutation>): void {
  const [draft, , random] = args;
  const block = draft.blocks[random.below(Math.max(1, draft.blocks.length))];
  const mutation = block === undefined ? random.pick(RECORD_MUTATIONS) : random.pick(MUTATIONS);
  mutation(...args);
}

const anyBlock = (draft: Draft, random: RandomSource): Mutable<BlockDraft> | undefined =>
  draft.blocks[random.below(Math.max(1, draft.blocks.length))];

const mainInPlace: Mutation = (draft, _, random) => mutateInPlace(draft.main, random);
const mainSize: Mutation = (draft, _, random) => {
  draft.main = mutated(draft.main, random);
};
const operation: Mutation = (draft, _, random) => {
  draft.info = random.below(16) << 4;
};
const manager: Mutation = (draft, _, random) => {
  draft.rmid = random.below(22);
};
const xid: Mutation = (draft, _, random) => {
  draft.xid = random.pick([0, 1, 3, 0xffff_ffff, random.below(0xffff_ffff)]);
};

const blockInPlace: Mutation = (draft, _, random) => {
  const block = anyBlock(draft, random);
  if (block?.data !== undefined) mutateInPlace(block.data, random);
};
const blockSize: Mutation = (draft, _, random) => {
  const block = anyBlock(draft, random);
  if (block?.data !== undefined) block.data = mutated(block.data, random);
};
const blockNumber: Mutation = (draft, _, random) => {
  const block = anyBlock(draft, random);
  if (block !== undefined) block.block = random.pick([0, 1, 32671, 32672, 0xffff_fffe, random.below(100_000)]);
};
const blockFlags: Mutation = (draft, _, random) => {
  const block = anyBlock(draft, random);
  if (block === undefined) return;
  if (random.below(2) === 0) block.willInit = block.willInit !== true;
  else block.fork = random.pick([0, 2, 3]);
};
const blockIds: Mutation = (draft, _, random) => {
  const block = anyBlock(draft, random);
  if (block === undefined) return;
  block.id = random.below(8);
  const ids = new Set<number>();
  draft.blocks = draft.blocks.filter(({ id }) => !ids.has(id) && ids.add(id)).sort((a, b) => a.id - b.id);
};
const blockGone: Mutation = (draft, _, random) => {
  draft.blocks.splice(random.below(Math.max(1, draft.blocks.length)), 1);
};
const imageGone: Mutation = (draft, _, random) => {
  const index = random.below(Math.max(1, draft.blocks.length));
  const block = draft.blocks[index];
  if (block?.image === undefined) return;
  const { image: _image, ...rest } = block;
  draft.blocks[index] = rest;
};
const imageBytes: Mutation = (draft, _, random) => {
  const image = anyBlock(draft, random)?.image;
  if (image !== undefined) mutateInPlace(image.bytes, random);
};
/** Another size or compression than the image has. */
const imageKind: Mutation = (draft, _, random) => {
  const block = anyBlock(draft, random);
  if (block === undefined) return;
  const bytes = (block.image?.bytes ?? new Uint8Array(PAGE_SIZE)).slice(0, random.pick([PAGE_SIZE, 8000, 300, 20]));
  const holeLength = random.pick([0, 1, 192, PAGE_SIZE - bytes.length, random.below(PAGE_SIZE)]);
  const compression = random.pick<ImageDraft['compression']>(['none', 'pglz', 'lz4', 'zstd']);
  const holeOffset = holeLength === 0 ? 0 : 1 + random.below(PAGE_SIZE);
  block.image = { bytes, holeLength, holeOffset, compression, apply: random.below(4) > 0 };
};
/** The visibility map page that some minors name and others do not. */
const mapBlock: Mutation = (draft, _, random) => {
  const last = draft.blocks.at(-1);
  if (last === undefined) return;
  draft.blocks.push({ id: last.id + 1, relation: last.relation, fork: 2, block: random.below(2) });
};
const origin: Mutation = (draft, _, random) => {
  draft.originId = random.pick([0, 1, 0xffff]);
  draft.topLevelXid = random.pick([0, 800]);
};
/** A block's data of another record. */
const borrowed: Mutation = (draft, others, random) => {
  const other = random.pick(others);
  const from = anyBlock(draftOf(parseRecord(other.bytes, other)), random);
  const block = anyBlock(draft, random);
  if (block !== undefined && from?.data !== undefined) block.data = from.data;
};

const RECORD_MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  mainInPlace,
  mainInPlace,
  mainSize,
  operation,
  xid,
  origin,
];
const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  ...RECORD_MUTATIONS,
  ...[mainInPlace, mainInPlace, manager, blockInPlace, blockInPlace, blockInPlace, blockInPlace, blockSize, blockSize],
  ...[blockNumber, blockFlags, blockIds, blockGone, imageGone, imageBytes, imageKind, mapBlock, borrowed],
];

/** The page beneath a block: mostly its own, as it is or changed; now and then another one. */
function pageFor(
  seed: RecordInput,
  blockId: number,
  others: readonly [RecordInput, ...RecordInput[]],
  random: RandomSource,
): Uint8Array {
  const own = seed.pages.find((page) => page.blockId === blockId)?.page;
  const choice = random.below(16);
  if (choice < 6 && own !== undefined) return own;
  if (choice < 12 && own !== undefined) return changedPage(own, random);
  const [other] = random.pick(others).pages;
  if (choice < 14 && other !== undefined) return changedPage(other.page, random);
  if (choice === 14) return Uint8Array.from({ length: PAGE_SIZE }, () => random.below(256));
  const page = new Uint8Array(PAGE_SIZE);
  initPage(page, random.pick([0, 8, 16]));
  return page;
}

const LINE_POINTERS_AT = 24;
const HEADER_BOUNDS = { start: 10, end: 20 };

/** Changes where pages are fragile: bounds, line pointers, special space, headers of tuples. */
function changedPage(page: Uint8Array, random: RandomSource): Uint8Array {
  const copy = page.slice();
  const view = new DataView(copy.buffer);
  const lower = Math.max(LINE_POINTERS_AT + 4, Math.min(view.getUint16(12, true), PAGE_SIZE));
  const special = Math.min(view.getUint16(16, true), PAGE_SIZE - 16);
  const item = view.getUint16(LINE_POINTERS_AT + random.below((lower - LINE_POINTERS_AT) >>> 2) * 4, true) & 0x7fff;
  const part = random.pick([
    copy.subarray(LINE_POINTERS_AT, lower),
    copy.subarray(item, item + 32),
    copy.subarray(special),
    copy.subarray(HEADER_BOUNDS.start, HEADER_BOUNDS.end),
  ]);
  mutateInPlace(part, random);
  return copy;
}
