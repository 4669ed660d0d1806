/** Databases and relation maps. Run outside of any database it drops. */
import { script } from './script';

export const databaseScript = script(
  'database',
  `
CREATE DATABASE logged STRATEGY wal_log

CREATE DATABASE copied STRATEGY file_copy

CREATE DATABASE dropped TEMPLATE template0 STRATEGY wal_log

DROP DATABASE dropped

ALTER DATABASE copied CONNECTION LIMIT 5
`,
);

/** Run in a database that another one was made from. */
export const insideDatabaseScript = script(
  'inside a database',
  `
CREATE TABLE own (id int PRIMARY KEY, v text)

INSERT INTO own SELECT i, 'v' || i FROM generate_series(1, 800) i

VACUUM FULL pg_catalog.pg_class

VACUUM (FREEZE)

UPDATE own SET v = 'w' WHERE id % 10 = 0
`,
);
