/** What the scripts by access method do not lead to: states that need a certain order of things, or certain sizes. */
import { script } from './script';

export const rareHeapScript = script(
  'heap, rare',
  `
CREATE TABLE undone (id int PRIMARY KEY, v int) WITH (autovacuum_enabled = off)

INSERT INTO undone SELECT i, i FROM generate_series(1, 40) i

BEGIN

UPDATE undone SET v = 0 WHERE id <= 20

DELETE FROM undone WHERE id > 20

ROLLBACK

DELETE FROM undone WHERE id <= 5

SELECT count(*) FROM (SELECT * FROM undone WHERE id BETWEEN 6 AND 10 FOR UPDATE) locked

UPDATE undone SET id = id + 100 WHERE id BETWEEN 11 AND 15

UPDATE undone SET v = 1 WHERE id BETWEEN 21 AND 30

SELECT count(*) FROM (SELECT * FROM undone WHERE id BETWEEN 31 AND 40 FOR NO KEY UPDATE) locked
`,
);

export const rareIndexScript = script(
  'indexes, rare',
  `
CREATE TABLE numbers (n numeric)

CREATE INDEX ON numbers (n)

INSERT INTO numbers VALUES (1.5)

CREATE TABLE alike (t text, n int) WITH (autovacuum_enabled = off)

CREATE INDEX ON alike (t, n)

INSERT INTO alike SELECT 'value ' || i % 3, CASE WHEN i % 2 = 0 THEN 7 END FROM generate_series(1, 2500) i

CREATE TABLE hashed_much AS SELECT i FROM generate_series(1, 100) i

ANALYZE hashed_much

UPDATE pg_class SET reltuples = 170000 WHERE relname = 'hashed_much'

CREATE INDEX ON hashed_much USING hash (i)

UPDATE pg_class SET reltuples = 260000 WHERE relname = 'hashed_much'

CREATE INDEX ON hashed_much USING hash (i)

UPDATE pg_class SET reltuples = 420000 WHERE relname = 'hashed_much'

CREATE INDEX ON hashed_much USING hash (i)

UPDATE pg_class SET reltuples = 700000 WHERE relname = 'hashed_much'

CREATE INDEX ON hashed_much USING hash (i)

CREATE TABLE hashed_few AS SELECT i FROM generate_series(1, 100) i

CREATE INDEX ON hashed_few USING hash (i)

DELETE FROM hashed_few WHERE i = 5

VACUUM hashed_few

CREATE TABLE hashed_alike (i int)

CREATE INDEX ON hashed_alike USING hash (i)

INSERT INTO hashed_alike SELECT 7 FROM generate_series(1, 16000)

DELETE FROM hashed_alike WHERE ctid IN (SELECT ctid FROM hashed_alike OFFSET 2000)

VACUUM hashed_alike

CREATE TABLE gin_long_keys (k text[])

ALTER TABLE gin_long_keys ALTER k SET STORAGE EXTERNAL

CREATE INDEX ON gin_long_keys USING gin (k) WITH (fastupdate = off)

INSERT INTO gin_long_keys SELECT ARRAY[(SELECT string_agg(md5((i * 7919 % 1009 * 100 + j)::text), '') FROM generate_series(1, 40) j)] FROM generate_series(1, 400) i

CREATE TABLE one_key (k int[]) WITH (autovacuum_enabled = off)

COPY one_key FROM PROGRAM 'yes "{1}" | head -n 30000'

CREATE INDEX one_key_index ON one_key USING gin (k)

DELETE FROM one_key WHERE (ctid::text::point)[1]::int % 40 = 7

VACUUM one_key

INSERT INTO one_key SELECT ARRAY[1] FROM generate_series(1, 700)

SELECT gin_clean_pending_list('one_key_index')

CREATE TABLE points_or_none (p point)

CREATE INDEX ON points_or_none USING spgist (p)

INSERT INTO points_or_none SELECT NULL FROM generate_series(1, 2500)

CREATE TABLE words (w text)

CREATE INDEX ON words USING spgist (w) WITH (fillfactor = 100)

INSERT INTO words SELECT chr(33 + n % 40) || chr(33 + n / 40 % 10) || repeat(chr(40 + n / 400), 90) FROM (SELECT i * 1009 % 4000 AS n FROM generate_series(1, 4000) i) numbered

INSERT INTO words SELECT chr(33 + n % 40) || chr(43 + n / 40) || repeat('x', 90) FROM (SELECT i * 1009 % 3360 AS n FROM generate_series(1, 3360) i) numbered
`,
);

/** Run with full_page_writes: a checkpoint comes before each few changes, so that what they touch comes as images. */
export const imageScript = script(
  'images',
  `
CREATE TABLE imaged (i int, r int4range, n int[], p point)

CREATE INDEX ON imaged USING hash (i)

CREATE INDEX ON imaged USING gist (r)

CREATE INDEX ON imaged USING gin (n)

CREATE INDEX ON imaged USING spgist (p)

CREATE INDEX ON imaged (i)

DO $$ BEGIN FOR k IN 1..30 LOOP INSERT INTO imaged SELECT i, int4range(i * 7919 % 5000, i * 7919 % 5000 + 9), ARRAY[i % 50, i], point(i * 31 % 997, i) FROM generate_series(k * 110, k * 110 + 109) i; EXECUTE 'CHECKPOINT'; END LOOP; END $$
`,
);
