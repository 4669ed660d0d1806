/** Tablespaces: storage refuses their records, and what is in them is pages like any other. */
export const tablespaceStatements = (location: string): readonly string[] => [
  `CREATE TABLESPACE space LOCATION '${location}'`,
  'CREATE TABLE far (id int PRIMARY KEY) TABLESPACE space',
  'INSERT INTO far SELECT generate_series(1, 500)',
  'ALTER TABLE far SET TABLESPACE pg_default',
  'ALTER INDEX far_pkey SET TABLESPACE space',
  'DELETE FROM far WHERE id % 2 = 0',
  'DROP TABLE far',
  'DROP TABLESPACE space',
];
