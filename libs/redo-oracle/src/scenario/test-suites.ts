/**
 * Postgres' own tests as workloads: regression SQL, isolation specs, contrib modules. What they print is not compared, and
 * statements may fail: what counts is the WAL.
 */
import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Refusal } from '@neon/kernel';
import type { Distribution } from '@neon/postgres-server';
import type { OracleCluster } from '../oracle-cluster';
import type { PostgresSource } from './postgres-source';
import { feedProgram, runSqlFile } from './psql';
import type { Scenario } from './scenario';

export const testSuites = (source: PostgresSource): readonly Scenario[] => [
  regress(source),
  isolation(source),
  contrib(source),
];

/** Names of a schedule file, a group of tests that run at the same time for each line. */
const scheduleOf = (path: string): string[][] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('test:') ? [line.slice('test:'.length).trim().split(/\s+/)] : []));

/** The environment that pg_regress makes for its tests. */
const REGRESS_ENVIRONMENT = {
  PGTZ: 'PST8PDT',
  PGDATESTYLE: 'Postgres, MDY',
  PGOPTIONS: '-c intervalstyle=postgres_verbose',
  PG_DLSUFFIX: '.so',
};

const createDatabase = (name: string): string[] => [
  `CREATE DATABASE ${name} TEMPLATE template0 LOCALE 'C'`,
  `ALTER DATABASE ${name} SET bytea_output TO 'hex'`,
  `ALTER DATABASE ${name} SET timezone_abbreviations TO 'Default'`,
];

const regress = ({ directory, version }: PostgresSource): Scenario => ({
  name: `regress ${version}`,
  async run(cluster, { report }) {
    cluster.record();
    await cluster.start();
    await cluster.run(createDatabase('regression'));
    const cwd = join(directory, 'src/test/regress');
    const env = {
      ...REGRESS_ENVIRONMENT,
      PG_ABS_SRCDIR: cwd,
      PG_ABS_BUILDDIR: dirname(cluster.folder('built/results')),
      PG_LIBDIR: cwd,
    };
    for (const group of scheduleOf(join(cwd, 'parallel_schedule'))) {
      const runs = group.map(async (test) => {
        const path = join(cwd, 'sql', `${test}.sql`);
        if (!existsSync(path) || (await runSqlFile(cluster, { database: 'regression', path, cwd, env }))) return;
        report(`the server crashed under ${test} or beside it`);
      });
      await Promise.all(runs);
    }
    await cluster.stop();
  },
});

const isolation = ({ directory, version }: PostgresSource): Scenario => ({
  name: `isolation ${version}`,
  async run(cluster) {
    const tester = isolationTester(cluster);
    cluster.record();
    await cluster.start();
    await cluster.run(createDatabase('isolation'));
    const folder = join(directory, 'src/test/isolation');
    const libraryPath = join(cluster.distribution.directory, 'lib');
    for (const test of scheduleOf(join(folder, 'isolation_schedule')).flat()) {
      const path = join(folder, 'specs', `${test}.spec`);
      await feedProgram(tester, { cluster, database: 'isolation', path, libraryPath });
    }
    await cluster.stop();
  },
});

/** Where distributions have the programs that extensions are tested with. */
const TESTER_PATHS = ['lib/postgresql/pgxs', 'lib/pgxs'].map((pgxs) => `${pgxs}/src/test/isolation/isolationtester`);

/** A copy that may be executed: the npm packages' files may not. */
function isolationTester(cluster: OracleCluster): string {
  const { directory, version }: Distribution = cluster.distribution;
  const found = TESTER_PATHS.map((path) => join(directory, path)).find((path) => existsSync(path));
  if (found === undefined) throw new Refusal('ProgramMissing', `Postgres ${version} comes without isolationtester`);
  const copy = join(cluster.folder('programs'), 'isolationtester');
  copyFileSync(found, copy);
  chmodSync(copy, 0o755);
  return copy;
}

/** Modules with access methods, operator classes or functions that write pages, and some that only read them. */
const MODULES =
  'bloom amcheck pageinspect btree_gist btree_gin pg_trgm hstore intarray ltree pg_visibility citext cube seg isn earthdistance fuzzystrmatch pgcrypto pgstattuple pg_surgery pg_freespacemap pg_walinspect tablefunc tcn unaccent uuid-ossp lo dict_int test_decoding';
const MODULES_AT_ONCE = 4;

const contrib = ({ directory, version }: PostgresSource): Scenario => ({
  name: `contrib ${version}`,
  async run(cluster, { report }) {
    cluster.record();
    await cluster.start();
    const waiting = MODULES.split(' ').filter((name) => existsSync(join(directory, 'contrib', name, 'sql')));
    const worker = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
        if (!(await runModule(cluster, join(directory, 'contrib', name), name)))
          report(`the server crashed under ${name} or beside it`);
    };
    await Promise.all(Array.from({ length: MODULES_AT_ONCE }, worker));
    await cluster.stop();
  },
});

async function runModule(cluster: OracleCluster, cwd: string, name: string): Promise<boolean> {
  const database = `contrib_${name.replaceAll('-', '_')}`;
  await cluster.run(createDatabase(database));
  let kept = true;
  for (const test of testsOf(join(cwd, 'Makefile'))) {
    const path = join(cwd, 'sql', `${test}.sql`);
    const file = { database, path, cwd, env: REGRESS_ENVIRONMENT };
    if (existsSync(path) && !(await runSqlFile(cluster, file))) kept = false;
  }
  return kept;
}

/** The tests of a module in their order: REGRESS in its Makefile. */
function testsOf(makefile: string): string[] {
  const text = readFileSync(makefile, 'utf8').replaceAll('\\\n', ' ');
  return (/^REGRESS\s*[+:]?=\s*(.*)$/m.exec(text)?.[1] ?? '').split(/\s+/).filter((name) => name !== '');
}
