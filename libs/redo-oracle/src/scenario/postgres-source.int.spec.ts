import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostgresSources, nearestSource } from './postgres-source';

const directory = mkdtempSync(join(tmpdir(), 'postgres-sources-'));
afterAll(() => rmSync(directory, { recursive: true }));

function tree(name: string, version: string): void {
  const root = join(directory, name);
  mkdirSync(join(root, 'src/test/regress'), { recursive: true });
  writeFileSync(join(root, 'src/test/regress/parallel_schedule'), 'test: boolean\n');
  writeFileSync(join(root, 'configure'), `PACKAGE_NAME='PostgreSQL'\nPACKAGE_VERSION='${version}'\n`);
}

test('trees in a directory are found, each major takes its own or the nearest one', () => {
  tree('postgresql-15.18', '15.18');
  tree('clone', '18beta2');
  mkdirSync(join(directory, 'something-else'));
  const sources = findPostgresSources(directory);
  expect(sources.map(({ version }) => version).sort()).toEqual(['15.18', '18beta2']);
  const chosen = [14, 15, 16, 17, 18].map((major) => nearestSource(sources, major)?.major);
  expect(chosen).toEqual([15, 15, 15, 18, 18]);
});

test('of two trees that are equally near the newer one is taken', () => {
  const sources = [15, 17].map((major) => ({ directory, version: String(major), major }));
  expect(nearestSource(sources, 16)?.major).toBe(17);
});

test('a directory without a tree has none', () => {
  expect(findPostgresSources(join(directory, 'something-else'))).toEqual([]);
  expect(nearestSource([], 17)).toBeUndefined();
});
