import { Fork } from '@neon/postgres';
import fc from 'fast-check';
import {
  INDEX_MAX,
  Kind,
  compareKeys,
  keyHex,
  pageIdOf,
  parseKeyHex,
  rangeHolds,
  rangeOfKind,
  readPrefix,
  relationOf,
  relationPagePrefix,
  relationSizePrefix,
  writePrefix,
} from './key';

const oid = fc.integer({ min: 0, max: INDEX_MAX });
const relation = fc.record({ tablespaceOid: oid, databaseOid: oid, relationNumber: oid });
const key = fc.tuple(relation, fc.constantFrom(...Object.values(Fork)), oid).map(([id, fork, index]) => ({
  prefix: relationPagePrefix(id, fork),
  index,
}));

it('K1: keys are ordered as their encoded bytes', () => {
  fc.assert(
    fc.property(key, key, (left, right) => {
      const order = keyHex(left) < keyHex(right) ? -1 : keyHex(left) > keyHex(right) ? 1 : 0;
      expect(Math.sign(compareKeys(left, right))).toBe(order);
    }),
  );
});

it('a key survives its encodings', () => {
  fc.assert(
    fc.property(key, (one) => {
      expect(parseKeyHex(keyHex(one))).toEqual(one);
      const bytes = new Uint8Array(20);
      writePrefix(one.prefix, bytes, 3);
      expect(readPrefix(bytes, 3)).toBe(one.prefix);
    }),
  );
});

it('a page key tells its page', () => {
  fc.assert(
    fc.property(relation, fc.constantFrom(...Object.values(Fork)), oid, (id, fork, block) => {
      const prefix = relationPagePrefix(id, fork);
      expect(relationOf(prefix)).toEqual({ relation: id, fork });
      expect(pageIdOf({ prefix, index: block })).toEqual({ kind: 'relation', relation: id, fork, block });
    }),
  );
});

it('the range of a database holds its relations and no others', () => {
  fc.assert(
    fc.property(relation, relation, (one, other) => {
      const range = rangeOfKind(Kind.RELATION_SIZE, one);
      expect(rangeHolds(range, { prefix: relationSizePrefix(one, Fork.MAIN), index: 0 })).toBe(true);
      const isSame = one.databaseOid === other.databaseOid && one.tablespaceOid === other.tablespaceOid;
      expect(rangeHolds(range, { prefix: relationSizePrefix(other, Fork.INIT), index: 0 })).toBe(isSame);
    }),
  );
});
