/**
 * The index of a timeline: the one file that says which other files count, and up to where they reach.
 *
 *   X1  Whatever the index names is durable before the index is. What it does not name is rubbish of an interrupted step.
 *   X2  Everything at or below `diskConsistentLsn` is in the named layers; the rest is ingested again from safekeepers.
 *   X3  Magic, version and checksum come first; any difference is Corrupt.
 *
 * File: magic "NLIX" | u16 version | u16 0 | u32 size | u32 crc32c | JSON in UTF-8.
 */
import { ByteReader, ByteWriter, Corrupt, Lsn, SystemId, TenantId, TimelineId, crc32c } from '@neon/kernel';
import type { PostgresMajor } from '@neon/postgres';
import { z } from 'zod';
import { keyHex, parseKeyHex } from '../key/key';
import type { DatabaseCopy } from '../read/key-read';
import { type Layer, layerName, parseLayerName } from '../layer/layer';

const MAGIC = 0x4e4c_4958;
const VERSION = 2;
const HEADER_SIZE = 16;

const lsnJson = z.string().transform((text) => Lsn.parse(text));
const majorJson = z.union([z.literal(14), z.literal(15), z.literal(16), z.literal(17), z.literal(18)]);
const databaseJson = z.object({ tablespaceOid: z.number(), databaseOid: z.number() });

const IndexJson = z.object({
  tenantId: z.string().transform((text) => TenantId.parse(text)),
  timelineId: z.string().transform((text) => TimelineId.parse(text)),
  pgMajor: majorJson,
  systemId: z.string().transform((text) => SystemId.parse(text)),
  walSegmentSize: z.number().int().positive(),
  /** The request that made this timeline, so that repeating it can be told from asking for another. */
  request: z.string(),
  ancestor: z.object({ timelineId: z.string().transform((text) => TimelineId.parse(text)), lsn: lsnJson }).nullable(),
  startLsn: lsnJson,
  startPrevRecordLsn: lsnJson,
  startLogicalSizeBytes: z.number(),
  diskConsistentLsn: lsnJson,
  prevRecordLsn: lsnJson,
  logicalSizeBytes: z.number(),
  nextSequence: z.number().int(),
  layers: z.array(z.tuple([z.string(), z.number()])),
  commits: z.array(z.object({ name: z.string(), count: z.number(), endLsn: lsnJson, timestampMaxUs: z.number() })),
  copies: z.array(z.object({ target: databaseJson, source: databaseJson, lsn: lsnJson })),
  /** A page whose redo failed, and the LSN it was read at. Absent in indexes written before there was such a thing. */
  unreadable: z
    .object({ key: z.string().transform((text) => parseKeyHex(text)), lsn: lsnJson })
    .nullable()
    .default(null),
  safekeepers: z.array(z.object({ id: z.number(), host: z.string(), replicationPort: z.number() })),
});

type Parsed = z.infer<typeof IndexJson>;
/** A file of the commit index: how many commits, up to where, up to when. */
export type CommitFile = Readonly<Parsed['commits'][number]>;

export type TimelineIndex = Readonly<Omit<Parsed, 'layers' | 'pgMajor' | 'commits' | 'copies' | 'safekeepers'>> & {
  readonly pgMajor: PostgresMajor;
  readonly layers: readonly Layer[];
  readonly commits: readonly CommitFile[];
  readonly copies: readonly DatabaseCopy[];
  readonly safekeepers: readonly Parsed['safekeepers'][number][];
};

/** A read of one page that failed. */
export type PageRead = Readonly<NonNullable<Parsed['unreadable']>>;

export const INDEX_FILE = 'index';

export function encodeTimelineIndex(index: TimelineIndex): Uint8Array {
  const layers = index.layers.map((layer) => [layerName(layer), layer.sizeBytes] as const);
  const { unreadable: page } = index;
  const unreadable = page === null ? null : { ...page, key: keyHex(page.key) };
  const json = JSON.stringify({ ...index, layers, unreadable }, (name, value: unknown) =>
    typeof value === 'number' && /lsn$/i.test(name) ? Lsn.format(Lsn.of(value)) : value,
  );
  const content = new TextEncoder().encode(json);
  return new ByteWriter(HEADER_SIZE + content.length)
    .u32(MAGIC)
    .u16(VERSION)
    .u16(0)
    .u32(content.length)
    .u32(crc32c(content))
    .bytes(content)
    .finish();
}

/** @throws Corrupt */
export function decodeTimelineIndex(bytes: Uint8Array): TimelineIndex {
  if (bytes.length < HEADER_SIZE) throw new Corrupt('timeline index is cut short');
  const source = new ByteReader(bytes);
  if (source.u32() !== MAGIC) throw new Corrupt('not a timeline index');
  const version = source.u16();
  if (version !== VERSION || source.u16() !== 0)
    throw new Corrupt(`timeline index version ${version}, known is ${VERSION}`);
  if (source.u32() !== bytes.length - HEADER_SIZE) throw new Corrupt('timeline index is cut short');
  if (source.u32() !== crc32c(bytes, HEADER_SIZE)) throw new Corrupt('timeline index checksum differs');
  try {
    const json = IndexJson.parse(JSON.parse(new TextDecoder().decode(source.rest())));
    return { ...json, layers: json.layers.map(([name, sizeBytes]) => parseLayerName(name, sizeBytes)) };
  } catch (cause) {
    throw new Corrupt(`timeline index does not parse: ${String(cause)}`, { cause });
  }
}
