import { ByteWriter } from '@neon/kernel';
import { type RelationFork, decodeRelations, planDirectory } from './directory-plan';

const relation = (over: Partial<RelationFork>): RelationFork => ({
  tablespaceOid: 1663,
  databaseOid: 5,
  relationNumber: 1259,
  fork: 0,
  blockCount: 3,
  ...over,
});
const file = (path: string, size = 0) => ({ path, content: new Uint8Array(size) });
const placeholders = (relations: RelationFork[], files = [file('PG_VERSION', 3)]) =>
  planDirectory({ relations, files }).placeholders.map(({ path, segment, blockCount }) => [path, segment, blockCount]);

describe('the plan of a data directory', () => {
  it('has a placeholder of the right length for each relation fork (D1)', () => {
    const relations = [
      relation({}),
      relation({ fork: 2, blockCount: 1 }),
      relation({ blockCount: 0, relationNumber: 9 }),
    ];
    const shared = relation({ tablespaceOid: 1664, databaseOid: 0, relationNumber: 1262, blockCount: 1 });
    expect(placeholders([...relations, shared])).toEqual([
      ['base/5/1259', 0, 3],
      ['base/5/1259_vm', 0, 1],
      ['base/5/9', 0, 0],
      ['global/1262', 0, 1],
    ]);
  });

  it('cuts a fork into segments of 1 GiB, the last one shorter (D1)', () => {
    expect(placeholders([relation({ blockCount: 131_072 })])).toEqual([['base/5/1259', 0, 131_072]]);
    expect(placeholders([relation({ blockCount: 2 * 131_072 + 7 })])).toEqual([
      ['base/5/1259', 0, 131_072],
      ['base/5/1259.1', 1, 131_072],
      ['base/5/1259.2', 2, 7],
    ]);
  });

  it('resets an unlogged relation to its init fork and drops its other forks (D2)', () => {
    const relations = [relation({}), relation({ fork: 2 }), relation({ fork: 3, blockCount: 1 })];
    const plan = planDirectory({ relations, files: [file('base/5/1259_init', 8192)] });
    expect(plan.placeholders).toEqual([]);
    expect(plan.files.map((planned) => [planned.path, planned.content.length])).toEqual([
      ['base/5/1259_init', 8192],
      ['base/5/1259', 8192],
    ]);
  });

  it('refuses an init fork whose content is missing or short (D2)', () => {
    const relations = [relation({ fork: 3, blockCount: 1 })];
    expect(() => planDirectory({ relations, files: [] })).toThrow('init fork base/5/1259_init');
    expect(() => planDirectory({ relations, files: [file('base/5/1259_init', 100)] })).toThrow('does not match');
  });

  it('leaves free space maps out (D3)', () => {
    expect(placeholders([relation({ fork: 1 })])).toEqual([]);
  });

  it('names parents before children, and every directory that a file needs', () => {
    const { directories } = planDirectory({
      relations: [relation({ databaseOid: 16384 })],
      files: [file('base/1/PG_VERSION')],
    });
    expect(directories).toEqual([...directories].sort());
    for (const wanted of ['base', 'base/1', 'base/16384', 'pg_wal/archive_status', 'pg_replslot'])
      expect(directories).toContain(wanted);
  });

  it.each([['../x'], ['/etc/passwd'], ['base/../../x'], ['base//x'], [''], ['./x']])(
    'refuses the path %j (D4)',
    (path) => {
      expect(() => planDirectory({ relations: [], files: [file(path)] })).toThrow('outside the directory');
    },
  );

  it('refuses tablespaces and forks that computes do not have', () => {
    expect(() => placeholders([relation({ tablespaceOid: 16_500 })])).toThrow('tablespace 16500');
    expect(() => placeholders([relation({ fork: 7 })])).toThrow('unknown fork 7');
  });
});

describe('a relation list', () => {
  it('is read entry by entry', () => {
    const bytes = new ByteWriter().u32(1663).u32(5).u32(1259).u8(2).u32(17).finish();
    expect(decodeRelations(bytes)).toEqual([relation({ fork: 2, blockCount: 17 })]);
    expect(() => decodeRelations(bytes.subarray(1))).toThrow('relation list of 16 bytes');
  });
});
