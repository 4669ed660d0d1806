import { Lsn } from '@neon/kernel';
import fc from 'fast-check';
import { encodeRecord } from '../wal/encoder';
import { parseRecord } from '../wal/parse-record';
import { Rmgr } from '../wal/rmgr';
import { changesOf } from './changes';
import { describeDelta } from './describe-delta';

const context = { endLsn: Lsn.of(0x2000100), major: 17 } as const;

it("a page's delta says which record it was made from, and where that began", () => {
  const block = { id: 0, relation: { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384 }, block: 7 };
  const draft = { rmid: Rmgr.BTREE, info: 0x70, main: new Uint8Array(8), blocks: [block] };
  const bytes = encodeRecord(draft, { major: 17, prevLsn: Lsn.of(8) });
  const [change] = changesOf(parseRecord(bytes, { ...context, lsn: Lsn.of(0x2000028) }));
  expect(change?.kind === 'page-delta' && describeDelta(change.delta, context)).toBe('Btree/DELETE at 0/2000028');
});

it('any other delta has its kind for a name', () => {
  expect(describeDelta(Uint8Array.of(5, 1), context)).toBe('delta CLOG_STATUS of the record that ends at 0/2000100');
});

it('D1: any bytes have a description', () => {
  fc.assert(
    fc.property(fc.option(fc.nat(9), { nil: undefined }), fc.uint8Array({ maxLength: 40 }), (kind, rest) => {
      const delta = kind === undefined ? rest : Uint8Array.of(kind, ...rest);
      expect(describeDelta(delta, context)).toMatch(/0\/2?\d|[0-9A-F]+\/[0-9A-F]+/);
    }),
  );
});
