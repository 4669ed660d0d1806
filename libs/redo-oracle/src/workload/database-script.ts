/** Databases and relation maps. Run outside of any database that is dropped. */
import type { PostgresMajor } from '@neon/postgres';
import { script, type Script } from './script';

/** Before 15 databases are always copied as files, and there is no choice to name. */
export function databaseScript(major: PostgresMajor): Script {
  const strategy = (name: string): string => (major > 14 ? ` STRATEGY ${name}` : '');
  return script(
    'database',
    `
CREATE DATABASE logged${strategy('wal_log')}

CREATE DATABASE copied${strategy('file_copy')}

CREATE DATABASE dropped TEMPLATE template0${strategy('wal_log')}

DROP DATABASE dropped

ALTER DATABASE copied CONNECTION LIMIT 5
`,
  );
}

const CREATION = [
  'CREATE TABLE own (id int PRIMARY KEY, v text)',
  `INSERT INTO own SELECT i, 'v' || i FROM generate_series(1, 800) i`,
];
const CHANGES = ['VACUUM FULL pg_catalog.pg_class', 'VACUUM (FREEZE)', `UPDATE own SET v = 'w' WHERE id % 10 = 0`];

/** For a database made from another one; the first in it also creates the table. */
export const insideDatabaseStatements = ({ first }: { first: boolean }): readonly string[] =>
  first ? [...CREATION, ...CHANGES] : CHANGES;
