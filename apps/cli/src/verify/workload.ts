/** SQL that makes every kind of page change an ordinary database makes, decided by a seed. */

/** A small generator of repeatable numbers (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const DEFINITIONS = [
  'CREATE TABLE ledger (id int PRIMARY KEY, owner text NOT NULL, amount numeric, payload text)',
  'CREATE INDEX ledger_owner ON ledger (owner)',
  'CREATE TABLE event (at timestamptz DEFAULT now(), kind int, body jsonb)',
  'CREATE SEQUENCE counter CACHE 5',
  'CREATE TABLE doomed AS SELECT g FROM generate_series(1, 5000) g',
  'CREATE UNLOGGED TABLE scratch (n int PRIMARY KEY)',
];

/** One transaction or utility command a step. */
function step(random: () => number): string[] {
  const key = 1 + Math.floor(random() * 20_000);
  const span = 1 + Math.floor(random() * 300);
  const choices: string[][] = [
    [
      `INSERT INTO ledger SELECT g, 'owner ' || g % 97, g * 1.5, repeat(md5(g::text), 1 + g % 9) FROM generate_series(${key}, ${key + span}) g ON CONFLICT (id) DO UPDATE SET amount = ledger.amount + 1`,
    ],
    [`UPDATE ledger SET amount = amount + 1 WHERE id BETWEEN ${key} AND ${key + span}`],
    [
      `UPDATE ledger SET owner = owner || '+', payload = repeat('x', ${span * 20}) WHERE id BETWEEN ${key} AND ${key + 40}`,
    ],
    [`DELETE FROM ledger WHERE id BETWEEN ${key} AND ${key + span}`],
    [
      'BEGIN',
      `INSERT INTO event (kind, body) SELECT g % 5, jsonb_build_object('n', g, 'text', repeat('y', g)) FROM generate_series(1, ${span}) g`,
      'SAVEPOINT a',
      `UPDATE ledger SET amount = 0 WHERE id = ${key}`,
      'ROLLBACK TO a',
      'SAVEPOINT b',
      `SELECT * FROM ledger WHERE id < ${span} FOR UPDATE`,
      'RELEASE b',
      random() < 0.3 ? 'ROLLBACK' : 'COMMIT',
    ],
    [`SELECT nextval('counter') FROM generate_series(1, ${span})`],
    ['VACUUM ledger'],
    ['VACUUM (FREEZE, ANALYZE) event'],
    [`DELETE FROM event WHERE kind = ${key % 5}`],
    [
      'DROP TABLE IF EXISTS fleeting',
      `CREATE TABLE fleeting AS SELECT g AS id, md5(g::text) AS hash FROM generate_series(1, ${span * 10}) g`,
      'CREATE UNIQUE INDEX ON fleeting (hash)',
      'TRUNCATE fleeting',
    ],
    ['REINDEX INDEX ledger_owner'],
    ['ALTER TABLE event ADD COLUMN IF NOT EXISTS extra int DEFAULT 7'],
    [`INSERT INTO scratch SELECT g FROM generate_series(${key}, ${key + span}) g ON CONFLICT DO NOTHING`],
    ['CLUSTER ledger USING ledger_pkey'],
  ];
  return choices[Math.floor(random() * choices.length)] ?? [];
}

/** Statements for one database, in order. */
export function statements(seed: number, steps: number): string[] {
  const random = seeded(seed);
  return [
    ...DEFINITIONS,
    ...Array.from({ length: steps }, () => step(random)).flat(),
    'DELETE FROM doomed WHERE g > 100',
    'VACUUM doomed',
  ];
}
