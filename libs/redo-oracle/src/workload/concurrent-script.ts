/**
 * What needs two sessions: multixacts, locks along update chains, visibility bits that are cleared by locks.
 *
 * Steps run one after the other, each in its session; none of them waits for a lock.
 */
export interface SessionStep {
  readonly session: 'a' | 'b';
  readonly sql: string;
}

const a = (sql: string): SessionStep => ({ session: 'a', sql });
const b = (sql: string): SessionStep => ({ session: 'b', sql });

export const concurrentScript: readonly SessionStep[] = [
  a('CREATE TABLE parents (id int PRIMARY KEY, v int) WITH (autovacuum_enabled = off)'),
  a('CREATE TABLE children (id int, parent int REFERENCES parents)'),
  a('INSERT INTO parents SELECT i, 0 FROM generate_series(1, 300) i'),
  a('VACUUM (FREEZE) parents'),
  // Key-share locks of two transactions, and an update under them.
  a('BEGIN'),
  b('BEGIN'),
  a('INSERT INTO children SELECT i, i FROM generate_series(1, 100) i'),
  b('INSERT INTO children SELECT i, i FROM generate_series(50, 150) i'),
  b('UPDATE parents SET v = 1 WHERE id BETWEEN 20 AND 120'),
  a('COMMIT'),
  b('COMMIT'),
  // A lock follows an update that has not committed.
  a('BEGIN'),
  a('UPDATE parents SET v = 2 WHERE id < 30'),
  b('BEGIN'),
  b('SELECT count(*) FROM (SELECT * FROM parents WHERE id < 30 FOR KEY SHARE) locked'),
  a('COMMIT'),
  b('COMMIT'),
  // A shared lock, then subtransactions that update the same rows.
  a('BEGIN'),
  a('SELECT count(*) FROM (SELECT * FROM parents WHERE id > 250 FOR SHARE) locked'),
  a('SAVEPOINT s'),
  a('UPDATE parents SET v = 3 WHERE id > 260'),
  a('ROLLBACK TO s'),
  b('SELECT count(*) FROM (SELECT * FROM parents WHERE id > 255 FOR SHARE) locked'),
  a('UPDATE parents SET v = 4 WHERE id > 290'),
  a('COMMIT'),
  // A speculative insertion that loses, and one that wins.
  a('CREATE TABLE raced (k int PRIMARY KEY, n int)'),
  a('BEGIN'),
  a('INSERT INTO raced VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET n = raced.n + 1'),
  b('INSERT INTO raced VALUES (2, 1) ON CONFLICT (k) DO UPDATE SET n = raced.n + 1'),
  a('COMMIT'),
  b('INSERT INTO raced VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET n = raced.n + 1'),
  // Row versions with multixacts are frozen.
  a('VACUUM (FREEZE) parents'),
  a('VACUUM (FREEZE) children'),
  a('DELETE FROM children'),
  a('DELETE FROM parents WHERE id % 2 = 0'),
  a('VACUUM parents'),
];

/** Enough multixacts for a further page of their offsets and members: each has another member. */
export const manyMultixacts: readonly SessionStep[] = [
  a('CREATE TABLE shared AS SELECT i AS id FROM generate_series(1, 2300) i'),
  a('BEGIN'),
  a('SELECT count(*) FROM (SELECT * FROM shared FOR SHARE) locked'),
  b(
    `DO $$ BEGIN FOR i IN 1..2300 LOOP BEGIN PERFORM * FROM shared WHERE ctid = ('(' || (i - 1) / 226 || ',' || (i - 1) % 226 + 1 || ')')::tid FOR SHARE; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$`,
  ),
  a('COMMIT'),
  a('VACUUM (FREEZE) shared'),
];
