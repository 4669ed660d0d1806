/**
 * Several clients at once, each with its own stream of random statements over the same few tables.
 *
 * What each client sends follows from the seed; how they interleave does not. Statements may fail (deadlocks, unique keys):
 * that too leaves WAL.
 */
import { RandomSource } from './random-source';

const KEYS = 4000;

/** Tables that all clients share, with an index of each kind. */
export const randomSchema: readonly string[] = [
  'CREATE TABLE mixed (k int PRIMARY KEY, a int, b text, n int[], p point, r int4range) WITH (fillfactor = 80)',
  'CREATE INDEX mixed_a ON mixed (a)',
  'CREATE INDEX mixed_hash ON mixed USING hash (a)',
  'CREATE INDEX mixed_gin ON mixed USING gin (n)',
  'CREATE INDEX mixed_gist ON mixed USING gist (r)',
  'CREATE INDEX mixed_spgist ON mixed USING spgist (p)',
  'CREATE INDEX mixed_brin ON mixed USING brin (k) WITH (pages_per_range = 2)',
  'CREATE TABLE hot (k int PRIMARY KEY, n int) WITH (fillfactor = 60)',
  'INSERT INTO hot SELECT i, 0 FROM generate_series(1, 200) i',
  'CREATE SEQUENCE ticket CACHE 3',
];

/** The next transaction of a client: statements to send one after the other. */
export type Transaction = readonly string[];

type Recipe = (random: RandomSource, client: number) => Transaction;

const key = (random: RandomSource): number => 1 + random.below(KEYS);

function row(random: RandomSource): string {
  const k = key(random);
  const text = `repeat('${'abcdefgh'[random.below(8)]}', ${random.below(10) === 0 ? random.below(4000) : random.below(60)})`;
  const [x, y] = [random.below(100), random.below(100)];
  return `(${k}, ${random.below(300)}, ${text}, ARRAY[${random.below(20)}, ${random.below(500)}], point(${x}, ${y}), int4range(${x}, ${x + 1 + y}))`;
}

const rows = (random: RandomSource, count: number): string =>
  Array.from({ length: count }, () => row(random)).join(', ');

const insert: Recipe = (random) => [
  `INSERT INTO mixed VALUES ${rows(random, 1 + random.below(30))} ON CONFLICT (k) DO UPDATE SET a = excluded.a, b = excluded.b`,
];
const insertOrFail: Recipe = (random) => [`INSERT INTO mixed VALUES ${rows(random, 1 + random.below(3))}`];
const updateHot: Recipe = (random) => [`UPDATE hot SET n = n + 1 WHERE k = ${1 + random.below(200)}`];
const updateIndexed: Recipe = (random) => {
  const from = key(random);
  return [
    `UPDATE mixed SET a = a + 1, r = int4range(a, a + 50) WHERE k BETWEEN ${from} AND ${from + random.below(40)}`,
  ];
};
const updateBody: Recipe = (random) => [
  `UPDATE mixed SET b = left(b || '${'xyz'[random.below(3)]}', 3000) WHERE k = ${key(random)}`,
];
const remove: Recipe = (random) => {
  const from = key(random);
  return [`DELETE FROM mixed WHERE k BETWEEN ${from} AND ${from + random.below(60)}`];
};
const lock: Recipe = (random) => {
  const from = key(random);
  const mode = random.pick(['FOR UPDATE', 'FOR NO KEY UPDATE', 'FOR SHARE', 'FOR KEY SHARE']);
  return [
    'BEGIN',
    `SELECT count(*) FROM (SELECT k FROM mixed WHERE k BETWEEN ${from} AND ${from + 10} ORDER BY k ${mode} SKIP LOCKED) l`,
    `UPDATE hot SET n = n + 1 WHERE k = ${1 + random.below(200)}`,
    random.below(4) === 0 ? 'ROLLBACK' : 'COMMIT',
  ];
};
const nested: Recipe = (random, client) => [
  'BEGIN',
  ...insert(random, client),
  'SAVEPOINT s',
  ...remove(random, client),
  random.below(2) === 0 ? 'ROLLBACK TO s' : 'RELEASE s',
  ...updateBody(random, client),
  random.below(5) === 0 ? 'ROLLBACK' : 'COMMIT',
];
const prepared: Recipe = (random, client) => [
  'BEGIN',
  ...updateHot(random, client),
  ...insert(random, client),
  `PREPARE TRANSACTION 'client ${client}'`,
  `${random.below(3) === 0 ? 'ROLLBACK' : 'COMMIT'} PREPARED 'client ${client}'`,
];
const sequence: Recipe = () => [`SELECT nextval('ticket') FROM generate_series(1, 20)`];
const vacuum: Recipe = (random) => [
  random.pick(['VACUUM mixed', 'VACUUM (FREEZE) mixed', 'VACUUM hot', 'VACUUM (FREEZE) hot', 'ANALYZE mixed']),
];
const scan: Recipe = (random) => [
  `SELECT count(*) FROM mixed WHERE a = ${random.below(300)} OR n @> ARRAY[${random.below(20)}]`,
];
const ownTable: Recipe = (random, client) => {
  const name = `own_${client}`;
  return [
    `CREATE TABLE IF NOT EXISTS ${name} (k int PRIMARY KEY, v text)`,
    `INSERT INTO ${name} SELECT i, repeat('o', ${random.below(200)}) FROM generate_series(1, ${1 + random.below(200)}) i ON CONFLICT DO NOTHING`,
    random.pick([`TRUNCATE ${name}`, `DROP TABLE ${name}`, `VACUUM ${name}`, `DELETE FROM ${name} WHERE k % 3 = 0`]),
  ];
};

const RECIPES: readonly [Recipe, ...Recipe[]] = [
  insert,
  insert,
  insert,
  insertOrFail,
  updateHot,
  updateHot,
  updateHot,
  updateIndexed,
  updateIndexed,
  updateBody,
  remove,
  remove,
  lock,
  nested,
  prepared,
  sequence,
  vacuum,
  scan,
  ownTable,
];

export function* randomTransactions(seed: number, client: number, count: number): Generator<Transaction> {
  const random = new RandomSource(seed * 1009 + client);
  for (let i = 0; i < count; i++) yield random.pick(RECIPES)(random, client);
}
