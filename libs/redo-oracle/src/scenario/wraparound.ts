/**
 * A cluster just before its transaction ids, multixact ids and member offsets go round: they do, everything is frozen, and
 * the SLRUs lose what came before.
 */
import type { OracleCluster, ServerSettings } from '../oracle-cluster';
import { manyMultixacts } from '../workload/concurrent-script';
import { ageCluster } from './age-cluster';
import type { Scenario } from './scenario';
import { runSteps } from '../workload/run-workload';

/** Less than 2^31 apart, as ids must be that are compared on a circle. */
const STATIONS = [1_500_000_000, 3_000_000_000];
const ID_END = 2 ** 32;
const BEFORE_END = { xids: 20_000, multis: 900, members: 2_500 };

/** No vacuum but ours: one against wraparound would freeze up to ids that the skipped ones make nonsense of. */
const NO_FORCED_VACUUM: ServerSettings = {
  autovacuum_freeze_max_age: '2000000000',
  autovacuum_multixact_freeze_max_age: '2000000000',
};

/** Transaction ids of subtransactions that leave nothing in WAL but the end of their parent. */
const BURN = [
  'CREATE TEMP TABLE spent (i int)',
  ...Array.from(
    { length: 3 },
    () =>
      `DO $$ BEGIN FOR i IN 1..34000 LOOP BEGIN INSERT INTO spent VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$`,
  ),
];
const CHANGES = [
  'CREATE TABLE old AS SELECT i AS k, 0 AS v FROM generate_series(1, 500) i',
  'CREATE INDEX ON old (k)',
  'UPDATE old SET v = 1 WHERE k % 2 = 0',
  'DELETE FROM old WHERE k % 5 = 0',
];
const CHANGES_AFTER = [
  'UPDATE old SET v = 2 WHERE k % 3 = 0',
  'SELECT count(*) FROM (SELECT * FROM old WHERE k < 50 FOR UPDATE) locked',
  'VACUUM old',
  'DELETE FROM old WHERE k % 7 = 0',
  'SELECT count(*) FROM old',
];

export const wraparound: Scenario = {
  name: 'wraparound',
  async run(cluster, { report }) {
    for (const station of STATIONS) {
      ageCluster(cluster, { nextXid: station, nextMulti: station, nextMultiOffset: station });
      await cluster.start({ ...NO_FORCED_VACUUM, wal_consistency_checking: '', track_commit_timestamp: 'off' });
      await freezeAll(cluster);
      await cluster.stop();
    }
    const { xids, multis, members } = BEFORE_END;
    ageCluster(cluster, {
      nextXid: ID_END - xids,
      nextMulti: ID_END - multis,
      nextMultiOffset: ID_END - members,
    });
    cluster.record();
    await cluster.start(NO_FORCED_VACUUM);
    report('multixacts go round');
    await cluster.run(CHANGES);
    await runSteps(cluster, manyMultixacts);
    report('transaction ids go round');
    await cluster.run([...BURN, ...CHANGES_AFTER]);
    report('everything is frozen');
    await freezeAll(cluster);
    await cluster.run(CHANGES_AFTER);
    await cluster.stop();
  },
};

/** Every database is frozen, the template that nobody may enter too: the oldest one decides what is kept. */
async function freezeAll(cluster: OracleCluster): Promise<void> {
  await cluster.run(['ALTER DATABASE template0 ALLOW_CONNECTIONS true']);
  for (const database of ['template0', 'template1', 'postgres']) await cluster.run(['VACUUM (FREEZE)'], database);
}
