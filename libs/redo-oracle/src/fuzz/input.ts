/**
 * What the fuzzer feeds to the WAL decoder and to redo, and the files it is kept in.
 *
 *   I1  `decodeInputs(encodeInputs(inputs))` gives the inputs back.
 *
 * A file holds any number of inputs, compressed together: seeds are many of a major, what failed once is one alone.
 */
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import { ByteReader, ByteWriter, Corrupt, type Lsn } from '@neon/kernel';
import { POSTGRES_MAJORS, PAGE_SIZE, type PostgresMajor } from '@neon/postgres';

/** WAL from `startLsn` on, for the decoder. */
export interface StreamInput {
  readonly kind: 'stream';
  readonly major: PostgresMajor;
  readonly segmentSize: number;
  readonly startLsn: Lsn;
  readonly bytes: Uint8Array;
}

/** The page beneath a block of a record; `blockId` is the record's own number for it. */
export interface PageBeneath {
  readonly blockId: number;
  readonly page: Uint8Array;
}

/** One record, whole, and pages to redo it on; a block without one is redone on zeros. */
export interface RecordInput {
  readonly kind: 'record';
  readonly major: PostgresMajor;
  readonly lsn: Lsn;
  readonly endLsn: Lsn;
  readonly bytes: Uint8Array;
  readonly pages: readonly PageBeneath[];
}

/** A stored page delta and the page it is applied to. */
export interface DeltaInput {
  readonly kind: 'delta';
  readonly major: PostgresMajor;
  readonly endLsn: Lsn;
  readonly bytes: Uint8Array;
  readonly page: Uint8Array;
}

export type FuzzInput = StreamInput | RecordInput | DeltaInput;

const KINDS = ['stream', 'record', 'delta'] as const;

export function encodeInputs(inputs: readonly FuzzInput[]): Uint8Array {
  const parts = inputs.map(encodeInput);
  const writer = new ByteWriter(parts.reduce((size, part) => size + part.length, 0));
  for (const part of parts) writer.bytes(part);
  return brotliCompressSync(writer.finish());
}

export function decodeInputs(file: Uint8Array): FuzzInput[] {
  const reader = new ByteReader(new Uint8Array(brotliDecompressSync(file)));
  const inputs: FuzzInput[] = [];
  while (reader.remaining > 0) inputs.push(decodeInput(reader));
  return inputs;
}

function encodeInput(input: FuzzInput): Uint8Array {
  const writer = new ByteWriter(input.bytes.length + 64).u8(KINDS.indexOf(input.kind)).u8(input.major);
  switch (input.kind) {
    case 'stream':
      writer.u64(input.startLsn).u32(input.segmentSize);
      break;
    case 'record':
      writer.u64(input.lsn).u64(input.endLsn).u8(input.pages.length);
      for (const { blockId, page } of input.pages) writer.u8(blockId).bytes(page);
      break;
    case 'delta':
      writer.u64(input.endLsn).bytes(input.page);
  }
  return writer.u32(input.bytes.length).bytes(input.bytes).finish();
}

function decodeInput(reader: ByteReader): FuzzInput {
  const kind = KINDS[reader.u8()];
  const number = reader.u8();
  const major = POSTGRES_MAJORS.find((known) => known === number);
  if (kind === undefined || major === undefined) throw new Corrupt('not a file of fuzzer inputs');
  const bytes = (): Uint8Array => reader.bytes(reader.u32()).slice();
  switch (kind) {
    case 'stream':
      return { kind, major, startLsn: reader.lsn(), segmentSize: reader.u32(), bytes: bytes() };
    case 'record': {
      const lsns = { lsn: reader.lsn(), endLsn: reader.lsn() };
      const pages = Array.from({ length: reader.u8() }, () => ({
        blockId: reader.u8(),
        page: reader.bytes(PAGE_SIZE).slice(),
      }));
      return { kind, major, ...lsns, pages, bytes: bytes() };
    }
    case 'delta':
      return { kind, major, endLsn: reader.lsn(), page: reader.bytes(PAGE_SIZE).slice(), bytes: bytes() };
  }
}
