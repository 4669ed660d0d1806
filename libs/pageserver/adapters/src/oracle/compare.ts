/** Every page of a stopped cluster's files against the pageserver's. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ByteReader, Lsn } from '@neon/kernel';
import { Kind, type Timeline, importFile, kindOf, pageIdOf } from '@neon/pageserver-core';
import { Fork, maskPage, pageKindOf } from '@neon/postgres';

export interface Comparison {
  readonly pages: number;
  readonly relations: number;
  readonly differences: string[];
}

const FIRST_NORMAL_OID = 16_384;
/** last_value, log_cnt and is_called of a sequence's only tuple. */
const SEQUENCE_VALUES_AT = 8160;

const RELATION = /^(global|base\/\d+)\/\d+(_vm|_init)?(\.\d+)?$/;
const OTHER = /^(pg_xact|pg_multixact\/(offsets|members))\/[0-9A-F]{4}$|\/pg_filenode\.map$/;

/**
 * Compares pages as `maskPage` allows, SLRU pages and relation maps exactly.
 *
 * Three differences are Postgres' own and allowed: blocks of zeros at a file's end, by which relations are extended ahead of
 * use without WAL; the visibility map of a database made by CREATE DATABASE, whose pages are logged as if their content
 * were a hole; and a sequence's values, which WAL tells ahead.
 *
 * @param unlogged files that WAL says nothing of
 */
export async function compareCluster(
  timeline: Timeline,
  { dataDir, lsn, unlogged = new Set() }: { dataDir: string; lsn: Lsn; unlogged?: ReadonlySet<string> },
): Promise<Comparison> {
  const paths = readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dataDir, join(entry.parentPath, entry.name)))
    .filter((path) => (RELATION.test(path) && !unlogged.has(path)) || OTHER.test(path));
  const differences: string[] = [];
  let pages = 0;
  for (const path of paths) {
    const content = readFileSync(join(dataDir, path));
    const expected = new Map(
      importFile(path, content).map(({ key, bytes }) => [`${key.prefix}${key.index}`, { key, bytes }]),
    );
    const first = [...expected.values()][0]?.key;
    if (first === undefined) continue;
    for (const { key, bytes } of expected.values()) {
      const isPage = kindOf(key.prefix) === Kind.RELATION_PAGE || kindOf(key.prefix) === Kind.SLRU_PAGE;
      if (kindOf(key.prefix) === Kind.RELATION_SIZE) {
        const [found = null] = await timeline.contentsAt([key], lsn);
        const size = found === null ? 0 : new ByteReader(found).u32();
        const end = new ByteReader(bytes).u32();
        const written = Math.max(0, ...lastWritten(content));
        if (size > end || size < written)
          differences.push(`${path}: ${size} blocks, ${end} on disk, ${written} written`);
        continue;
      }
      if (!isPage) {
        const [found = null] = await timeline.contentsAt([key], lsn);
        if (found === null || Buffer.compare(found, bytes) !== 0) differences.push(`${path} differs`);
        continue;
      }
      pages++;
      const [found] = await timeline.pagesAt([key], lsn);
      const difference = pageDifference(bytes, found ?? new Uint8Array(), key);
      if (difference !== null) differences.push(`${path} page ${key.index}: ${difference}`);
    }
  }
  return { pages, relations: paths.length, differences };
}

/** The number of blocks up to the last one that is not all zeros. */
function lastWritten(content: Uint8Array): number[] {
  const words = new BigUint64Array(content.buffer, content.byteOffset, content.length / 8);
  const last = words.findLastIndex((word) => word !== 0n);
  return last === -1 ? [] : [Math.floor((last * 8) / 8192) + 1];
}

function pageDifference(expected: Uint8Array, found: Uint8Array, key: Parameters<typeof pageIdOf>[0]): string | null {
  const id = pageIdOf(key);
  const [left, right] = [new Uint8Array(expected), new Uint8Array(found)];
  if (id?.kind === 'relation') {
    const kind = id.fork === Fork.VISIBILITY_MAP ? 'visibility-map' : pageKindOf(expected, id.block);
    maskPage(left, kind, id.block);
    maskPage(right, kind, id.block);
    if (kind === 'visibility-map') {
      const isSubset = left.every((byte, i) => (byte & ~(right[i] as number)) === 0);
      const isLogHole = id.relation.databaseOid >= FIRST_NORMAL_OID && right.subarray(24).every((byte) => byte === 0);
      return isSubset || isLogHole ? null : 'visibility bits';
    }
    if (kind === 'sequence') {
      left.fill(0, SEQUENCE_VALUES_AT, SEQUENCE_VALUES_AT + 17);
      right.fill(0, SEQUENCE_VALUES_AT, SEQUENCE_VALUES_AT + 17);
    }
  }
  if (Buffer.compare(left, right) === 0) return null;
  const at = left.findIndex((byte, i) => byte !== right[i]);
  const lsnOf = (page: Uint8Array): string => {
    const view = new DataView(page.buffer, page.byteOffset);
    return Lsn.format(Lsn.of(view.getUint32(0, true) * 2 ** 32 + view.getUint32(4, true)));
  };
  return `first differs at ${at}; page LSN ${lsnOf(expected)} on disk, ${lsnOf(found)} here`;
}
