/** What Postgres reads at its start, and nobody may have written yet. */
import { Lsn } from '@neon/kernel';
import { Checkpoint } from '@neon/postgres';
import { CHECKPOINT } from '../key/key';
import { MemoryStore, openMemoryPageserver, timelineName } from '../memory-pageserver';
import { PAGE_SIZE } from '../read/page-content';
import { basebackup } from './basebackup';

const EPOCH = 2 ** 32;
const BLOCK = 512;

/** Sizes by name, from the headers of a tar. */
function sizesIn(archive: Uint8Array): Map<string, number> {
  const text = (at: number, length: number): string =>
    new TextDecoder().decode(archive.subarray(at, at + length)).replace(/\0.*$/s, '');
  const sizes = new Map<string, number>();
  for (let at = 0; text(at, 100) !== '';) {
    const size = parseInt(text(at + 124, 12), 8);
    sizes.set(text(at, 100), size);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return sizes;
}

/** pg_xact of a timeline that has no page of it. */
async function transactionPages(nextXid: number): Promise<Record<string, number>> {
  const pageserver = await openMemoryPageserver({ store: new MemoryStore(), applyDelta: () => undefined });
  const timeline = await pageserver.create(timelineName(1), { mode: 'bootstrap', pgMajor: 17 });
  const { lastRecordLsn: lsn } = timeline;
  const [before = null] = await timeline.contentsAt([CHECKPOINT], lsn);
  if (before === null) throw new Error('the template has a checkpoint');
  const content = Checkpoint.encode({ ...Checkpoint.parse(before, 17), nextXid }, 17);
  const endLsn = Lsn.advance(lsn, 8);
  await timeline.apply({ lsn, endLsn, changes: [], tracked: [{ key: CHECKPOINT, content }] });
  await timeline.ingested();
  const pieces = await basebackup(timeline, { lsn: endLsn, head: true }, new AbortController().signal);
  const sizes = sizesIn(Buffer.concat(pieces));
  return Object.fromEntries([...sizes].filter(([name]) => name.startsWith('pg_xact/')));
}

it.each([
  ['just after the xids went round', EPOCH + 3, { 'pg_xact/0000': PAGE_SIZE }],
  ['when it runs ahead after that', EPOCH + 1024, { 'pg_xact/0000': PAGE_SIZE }],
  ['in the middle of a segment', 33 * 32_768 + 1, { 'pg_xact/0001': 2 * PAGE_SIZE }],
  ['not where it begins a page, which the first xid there makes', 32_768, {}],
])('B5: the page that nextXid falls on is there %s', async (_, nextXid, expected) => {
  expect(await transactionPages(nextXid)).toEqual(expected);
});
