/**
 * wal_level=minimal: relations are logged as whole pages when the transaction that made them commits, and GiST takes LSNs
 * for its page splits from records that say nothing else. Commit timestamps are not tracked.
 */
import type { Scenario } from './scenario';

const STATEMENTS = [
  'BEGIN',
  'CREATE TABLE unlogged_until_commit (p point)',
  'CREATE INDEX place ON unlogged_until_commit USING gist (p)',
  'INSERT INTO unlogged_until_commit SELECT point(i % 171, i % 97) FROM generate_series(1, 3000) i',
  'COMMIT',
  'INSERT INTO unlogged_until_commit SELECT point(i % 31, i % 47) FROM generate_series(1, 500) i',
];

export const minimal: Scenario = {
  name: 'wal_level minimal',
  async run(cluster) {
    cluster.record();
    // Below the threshold a relation is logged at commit; above it, its file would be flushed instead.
    await cluster.start({
      wal_level: 'minimal',
      max_wal_senders: '0',
      wal_skip_threshold: '1GB',
      track_commit_timestamp: 'off',
    });
    await cluster.run(STATEMENTS);
    await cluster.stop();
  },
};
