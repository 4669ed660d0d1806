import { Corrupt, Lsn, bytesOf as written } from '@neon/kernel';
import { writeU16 } from '../page/little-endian';
import { PAGE_SIZE, initPage } from '../page/page-header';
import { encodeRecord } from '../wal/encoder';
import { parseRecord } from '../wal/parse-record';
import { Rmgr } from '../wal/rmgr';
import { applyDelta } from './apply';
import type { PageId } from './change';
import { DeltaKind } from './delta';
import { RecordDelta } from './record-delta';

const RELATION = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384 };
const END_LSN = Lsn.of(0x200_0100);
const PAGE: PageId = { kind: 'relation', relation: RELATION, fork: 0, block: 7 };

const short = (value: number): Uint8Array => {
  const bytes = new Uint8Array(2);
  writeU16(bytes, 0, value);
  return bytes;
};
const bytesOf = (...parts: readonly (Uint8Array | number)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...part])));

describe('a stored delta that is broken', () => {
  const apply = (delta: Uint8Array): void => {
    const page = new Uint8Array(PAGE_SIZE);
    initPage(page, 16);
    applyDelta(page, delta, { page: PAGE, endLsn: END_LSN, major: 17 });
  };

  it.each([
    ['of status for a transaction that its page does not have', bytesOf(DeltaKind.CLOG_STATUS, 1, short(32768))],
    ['cut within a transaction', bytesOf(DeltaKind.CLOG_STATUS, 1, 0)],
    ['of a timestamp behind its page', bytesOf(DeltaKind.COMMIT_TS, new Uint8Array(10), short(819))],
    ['of a multixact behind its page', bytesOf(DeltaKind.MULTIXACT_OFFSETS, short(2048), new Uint8Array(4))],
    ['of members behind their page', bytesOf(DeltaKind.MULTIXACT_MEMBERS, short(1635), new Uint8Array(10))],
    ['of visibility behind its map page', bytesOf(DeltaKind.VM_CLEAR, short(32672), 3)],
    ['of a truncation that says not where', bytesOf(DeltaKind.VM_TRUNCATE)],
    ['of a record, cut within its header', bytesOf(DeltaKind.RECORD, 0, 0)],
    [
      'of a record that began before the WAL did',
      bytesOf(DeltaKind.RECORD, 0, 0, new Uint8Array(4).fill(0xff), new Uint8Array(30)),
    ],
    ['of no kind', new Uint8Array(0)],
  ])('X2: %s is Corrupt', (_name, delta) => {
    expect(() => apply(delta)).toThrow(Corrupt);
  });

  it('X2: a record delta says which block, and that one must be there', () => {
    const bytes = encodeRecord(
      { rmid: Rmgr.HASH, info: 0xa0, blocks: [{ id: 0, relation: RELATION, block: 7 }] },
      { major: 17, prevLsn: Lsn.of(8) },
    );
    const record = parseRecord(bytes, { major: 17, lsn: Lsn.of(0x200_0000), endLsn: END_LSN });
    const delta = written(new RecordDelta(record, record.blocks[0]!, false));
    apply(delta);
    delta[2] = 5;
    expect(() => apply(delta)).toThrow(expect.objectContaining({ name: 'UnsupportedRecord', lsn: 0x200_0000 }));
  });
});
