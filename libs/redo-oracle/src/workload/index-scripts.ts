/** The other access methods: hash, GIN, GiST, SP-GiST, BRIN, and bloom, which logs Generic records. */
import { script } from './script';

export const hashScript = script(
  'hash',
  `
CREATE TABLE hashed (k int, v int) WITH (autovacuum_enabled = off)

CREATE INDEX hashed_k ON hashed USING hash (k) WITH (fillfactor = 30)

INSERT INTO hashed SELECT i, i FROM generate_series(1, 3000) i

INSERT INTO hashed SELECT 42, i FROM generate_series(1, 1500) i

INSERT INTO hashed SELECT i % 4, i FROM generate_series(1, 2000) i

DELETE FROM hashed WHERE k = 42 AND v % 2 = 0

VACUUM hashed

DELETE FROM hashed WHERE v % 3 = 0

VACUUM hashed

INSERT INTO hashed SELECT i, i FROM generate_series(1, 5000) i

DELETE FROM hashed WHERE k < 4

VACUUM hashed

CREATE TABLE hashed_killed (k int) WITH (autovacuum_enabled = off)

CREATE INDEX hashed_killed_k ON hashed_killed USING hash (k)

INSERT INTO hashed_killed SELECT 1 FROM generate_series(1, 500) i

DELETE FROM hashed_killed

SET enable_seqscan = off

SET enable_bitmapscan = off

SELECT count(*) FROM hashed_killed WHERE k = 1

SELECT count(*) FROM hashed_killed WHERE k = 1

INSERT INTO hashed_killed SELECT 1 FROM generate_series(1, 1500) i

RESET enable_seqscan

RESET enable_bitmapscan

CREATE TABLE hashed_squeezed (k int, gen int) WITH (autovacuum_enabled = off)

CREATE INDEX hashed_squeezed_k ON hashed_squeezed USING hash (k)

INSERT INTO hashed_squeezed SELECT 7, i % 5 FROM generate_series(1, 5000) i

DELETE FROM hashed_squeezed WHERE gen IN (1, 3)

VACUUM hashed_squeezed

INSERT INTO hashed_squeezed SELECT 7, 1 FROM generate_series(1, 800) i

DELETE FROM hashed_squeezed WHERE gen <> 1

VACUUM hashed_squeezed

CREATE INDEX hashed_built ON hashed USING hash (v)
`,
);

export const ginScript = script(
  'gin',
  `
CREATE TABLE tagged (id int, tags int[]) WITH (autovacuum_enabled = off)

CREATE INDEX tagged_tags ON tagged USING gin (tags) WITH (fastupdate = off)

INSERT INTO tagged SELECT i, ARRAY[1, i % 10 + 2, i % 1000 + 100] FROM generate_series(1, 4000) i

INSERT INTO tagged SELECT i, ARRAY[1, 2, i] FROM generate_series(20000, 21000) i

DELETE FROM tagged WHERE id % 3 = 0

VACUUM tagged

INSERT INTO tagged SELECT i, ARRAY[1, i % 10 + 2] FROM generate_series(1, 2500) i

DELETE FROM tagged WHERE id BETWEEN 2000 AND 30000

VACUUM tagged

DELETE FROM tagged

VACUUM tagged

INSERT INTO tagged SELECT i, ARRAY[1, 3] FROM generate_series(1, 1500) i

CREATE TABLE posted (v int) WITH (autovacuum_enabled = off)

COPY posted FROM PROGRAM 'seq 1 60000'

CREATE INDEX posted_v ON posted USING gin ((ARRAY[1, v % 2]))

DELETE FROM posted WHERE v BETWEEN 3000 AND 57000

VACUUM posted

COPY posted FROM PROGRAM 'seq 1 500'

ALTER INDEX posted_v SET (gin_pending_list_limit = 65536)

SET wal_consistency_checking = ''

COPY posted FROM PROGRAM 'seq 1 60000'

RESET wal_consistency_checking

SELECT gin_clean_pending_list('posted_v')

CREATE TABLE pending (id int, tags int[]) WITH (autovacuum_enabled = off)

CREATE INDEX pending_tags ON pending USING gin (tags) WITH (fastupdate = on, gin_pending_list_limit = 64)

INSERT INTO pending SELECT i, ARRAY[i % 7, i % 77, i % 777] FROM generate_series(1, 2500) i

SELECT gin_clean_pending_list('pending_tags')

INSERT INTO pending SELECT i, (SELECT array_agg(j) FROM generate_series(i, i + 900) j) FROM generate_series(1, 12) i

DELETE FROM pending WHERE id % 2 = 0

VACUUM pending

CREATE TABLE documents (id int, body tsvector)

CREATE INDEX documents_body ON documents USING gin (body)

INSERT INTO documents SELECT i, to_tsvector('simple', 'common w' || i % 50 || ' rare' || i) FROM generate_series(1, 1500) i

UPDATE documents SET body = to_tsvector('simple', 'changed w' || id) WHERE id % 4 = 0

DELETE FROM documents WHERE id % 5 = 0

VACUUM documents

CREATE INDEX documents_built ON documents USING gin (body)
`,
);

export const gistScript = script(
  'gist',
  `
CREATE TABLE places (id int, p point) WITH (autovacuum_enabled = off)

CREATE INDEX places_p ON places USING gist (p)

INSERT INTO places SELECT i, point(i % 171, i % 97) FROM generate_series(1, 5000) i

DELETE FROM places WHERE id % 2 = 0

VACUUM places

DELETE FROM places WHERE p <@ box '(0,0),(120,80)'

VACUUM places

SELECT txid_current()

VACUUM places

INSERT INTO places SELECT i, point(i % 31, i % 47) FROM generate_series(1, 2000) i

UPDATE places SET p = point(p[0] + 1, p[1]) WHERE id % 5 = 0

CREATE TABLE spans (during int4range) WITH (autovacuum_enabled = off)

CREATE INDEX spans_during ON spans USING gist (during)

INSERT INTO spans SELECT int4range(i, i + 10) FROM generate_series(1, 3000) i

SET enable_seqscan = off

SET enable_bitmapscan = off

DELETE FROM spans WHERE lower(during) % 3 <> 0

SELECT count(*) FROM spans WHERE during && int4range(1, 4000)

SELECT count(*) FROM spans WHERE during && int4range(1, 4000)

INSERT INTO spans SELECT int4range(i, i + 10) FROM generate_series(1, 2500) i

RESET enable_seqscan

RESET enable_bitmapscan

DELETE FROM spans

VACUUM spans

CREATE INDEX places_built ON places USING gist (p)
`,
);

export const spgistScript = script(
  'spgist',
  `
CREATE TABLE texts (t text) WITH (autovacuum_enabled = off)

CREATE INDEX texts_t ON texts USING spgist (t)

INSERT INTO texts SELECT 'P0123456789abcdef' FROM generate_series(1, 500) i

INSERT INTO texts SELECT 'P0123456789abcde' || i FROM generate_series(1, 600) i

INSERT INTO texts SELECT chr(33 + i % 90) || md5(i::text) FROM generate_series(1, 5000) i

INSERT INTO texts SELECT 'P0123456789' || chr(65 + i % 26) || i FROM generate_series(1, 800) i

INSERT INTO texts SELECT 'P01' || i FROM generate_series(1, 300) i

INSERT INTO texts VALUES (NULL), (NULL)

DELETE FROM texts WHERE t LIKE '%3%'

VACUUM texts

SELECT txid_current()

VACUUM texts

INSERT INTO texts SELECT chr(33 + i % 90) || md5(i::text) FROM generate_series(5000, 7000) i

DELETE FROM texts WHERE t < 'a'

VACUUM texts

CREATE TABLE dots (p point) WITH (autovacuum_enabled = off)

CREATE INDEX dots_p ON dots USING spgist (p)

CREATE INDEX dots_kd ON dots USING spgist (p kd_point_ops)

INSERT INTO dots SELECT point(i * 7 % 1000, i * 13 % 1000) FROM generate_series(1, 4000) i

INSERT INTO dots SELECT point(5, 5) FROM generate_series(1, 600) i

DELETE FROM dots WHERE p[0] > 400

VACUUM dots

SELECT txid_current()

VACUUM dots

INSERT INTO dots SELECT point(i * 3 % 1000, i * 17 % 1000) FROM generate_series(1, 2000) i

CREATE TABLE few (t text) WITH (autovacuum_enabled = off)

CREATE INDEX few_t ON few USING spgist (t)

INSERT INTO few SELECT 't' || i FROM generate_series(1, 30) i

DELETE FROM few WHERE t > 't2'

VACUUM few

CREATE INDEX texts_built ON texts USING spgist (t)
`,
);

export const brinScript = script(
  'brin',
  `
CREATE TABLE summarized (id int, v text) WITH (fillfactor = 40, autovacuum_enabled = off)

CREATE INDEX summarized_id ON summarized USING brin (id, v) WITH (pages_per_range = 1)

INSERT INTO summarized SELECT i, repeat('x', i % 40) FROM generate_series(1, 9000) i

SELECT brin_summarize_new_values('summarized_id')

UPDATE summarized SET v = repeat('z', 200) WHERE id % 97 = 0

UPDATE summarized SET id = id + 100000, v = repeat('y', id % 900) WHERE id % 53 = 0

UPDATE summarized SET v = repeat(chr(65 + id % 26), 1500) WHERE id % 31 = 0

SELECT brin_desummarize_range('summarized_id', 3), brin_desummarize_range('summarized_id', 20)

SELECT brin_summarize_range('summarized_id', 3)

INSERT INTO summarized SELECT i, repeat('w', 1700) FROM generate_series(1, 1200) i

VACUUM summarized

INSERT INTO summarized SELECT i, repeat(chr(97 + i % 26), 1600) FROM generate_series(1, 1500) i

VACUUM summarized

CREATE INDEX summarized_built ON summarized USING brin (id) WITH (pages_per_range = 2, autosummarize = on)
`,
);

export const genericScript = script(
  'generic',
  `
CREATE EXTENSION bloom

CREATE TABLE signed (a int, b int, c int) WITH (autovacuum_enabled = off)

CREATE INDEX signed_all ON signed USING bloom (a, b, c)

INSERT INTO signed SELECT i, i % 100, i % 1000 FROM generate_series(1, 3000) i

DELETE FROM signed WHERE a % 2 = 0

VACUUM signed

INSERT INTO signed SELECT i, i % 10, i % 50 FROM generate_series(1, 1500) i
`,
);
