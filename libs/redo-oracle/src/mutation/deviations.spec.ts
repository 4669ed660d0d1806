import { Fork, PAGE_SIZE, type RelationPage } from '@neon/postgres';
import { Deviations, subjectKey } from './deviations';

const page = (relationNumber: number, block: number, databaseOid = 5): RelationPage => ({
  kind: 'relation',
  relation: { tablespaceOid: 1663, databaseOid, relationNumber },
  fork: Fork.MAIN,
  block,
});
const bytes = (value: number): Uint8Array => new Uint8Array(PAGE_SIZE).fill(value);

/** Mutant 7 deviates in each of these pages. */
function deviating(...pages: readonly RelationPage[]): Deviations {
  const deviations = new Deviations();
  for (const each of pages) deviations.set(subjectKey(each), each, { id: 7, own: bytes(1), right: bytes(2) });
  return deviations;
}
const keys = (deviations: Deviations): string[] => [...deviations.values()].map(({ subject }) => subjectKey(subject));

test('E1: what becomes equal is no deviation any more', () => {
  const one = page(10, 0);
  const deviations = deviating(one);
  expect([...deviations.of(subjectKey(one)).keys()]).toEqual([7]);
  deviations.set(subjectKey(one), one, { id: 7, own: bytes(2), right: bytes(2) });
  expect(keys(deviations)).toEqual([]);
});

test('E1: a page that is not there is equal to zeros', () => {
  const deviations = new Deviations();
  deviations.set('k', page(10, 0), { id: 7, own: null, right: bytes(0) });
  expect(keys(deviations)).toEqual([]);
  deviations.set('k', page(10, 0), { id: 7, own: null, right: bytes(1) });
  expect(deviations.of('k').get(7)).toBeNull();
});

test('pages that are truncated or dropped are gone for mutants too', () => {
  const deviations = deviating(page(10, 0), page(10, 1), page(11, 0), page(12, 0, 6));
  const { relation, fork } = page(10, 0);
  deviations.follow({ kind: 'relation-truncate', relation, fork, blockCount: 1 });
  expect(keys(deviations)).toEqual(['1663/5/10/0/0', '1663/5/11/0/0', '1663/6/12/0/0']);
  deviations.follow({ kind: 'relation-drop', relation: page(11, 0).relation });
  deviations.follow({ kind: 'database-drop', tablespaceOid: 1663, databaseOid: 6 });
  expect(keys(deviations)).toEqual(['1663/5/10/0/0']);
});

test('a database that is copied takes deviations along', () => {
  const deviations = deviating(page(10, 0));
  const source = { tablespaceOid: 1663, databaseOid: 5 };
  deviations.follow({ kind: 'database-create', tablespaceOid: 1663, databaseOid: 9, copyOf: source });
  expect(deviations.of('1663/9/10/0/0').get(7)).toEqual(bytes(1));
});

test('a mutant that is done with deviates no more', () => {
  const deviations = deviating(page(10, 0));
  deviations.forget(7);
  expect(keys(deviations)).toEqual([]);
});
