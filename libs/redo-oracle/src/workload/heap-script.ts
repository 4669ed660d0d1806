/** Heap, TOAST, sequences and DDL: every Heap, Heap2 and Sequence record that one session can make. */
import { script } from './script';

export const heapScript = script(
  'heap',
  `
CREATE TABLE narrow (id int, v int) WITH (fillfactor = 70)

INSERT INTO narrow SELECT i, i FROM generate_series(1, 3000) i

CREATE INDEX ON narrow (id)

UPDATE narrow SET v = v + 1 WHERE id % 3 = 0

UPDATE narrow SET v = v + 1 WHERE id < 40

UPDATE narrow SET v = v + 1 WHERE id < 40

UPDATE narrow SET v = v + 1 WHERE id < 40

UPDATE narrow SET v = v + 1 WHERE id < 40

SELECT count(*) FROM narrow WHERE v > 0

UPDATE narrow SET id = id + 10000 WHERE id % 7 = 0

DELETE FROM narrow WHERE id % 5 = 0

VACUUM (INDEX_CLEANUP ON) narrow

INSERT INTO narrow SELECT i, i FROM generate_series(1, 900) i

DELETE FROM narrow WHERE id BETWEEN 100 AND 700

VACUUM FREEZE narrow

UPDATE narrow SET v = 0 WHERE id = 701

DELETE FROM narrow WHERE id = 702

VACUUM (FREEZE, TRUNCATE ON) narrow

DELETE FROM narrow WHERE id > 800

VACUUM (TRUNCATE ON) narrow

CREATE TABLE loaded (v text)

COPY loaded FROM PROGRAM 'seq 1 4000'

BEGIN

CREATE TABLE frozen (v text)

COPY frozen FROM PROGRAM 'seq 1 3000' WITH (FREEZE)

COMMIT

INSERT INTO frozen VALUES ('clears a bit')

DELETE FROM frozen WHERE v = '5'

UPDATE frozen SET v = 'x' WHERE v = '2500'

COPY frozen FROM PROGRAM 'seq 1 50'

VACUUM (FREEZE) frozen

SELECT count(*) FROM (SELECT * FROM frozen WHERE v < '11' FOR UPDATE) locked

SELECT count(*) FROM (SELECT * FROM frozen WHERE v > '9' FOR KEY SHARE) locked

CREATE TABLE wide (id int PRIMARY KEY, body text, n int)

ALTER TABLE wide ALTER body SET STORAGE EXTERNAL

INSERT INTO wide SELECT i, repeat(md5(i::text), 200), i FROM generate_series(1, 60) i

UPDATE wide SET n = n + 1

UPDATE wide SET body = repeat(md5(body), 300) WHERE id % 4 = 0

DELETE FROM wide WHERE id % 9 = 0

VACUUM wide

CREATE TABLE ragged (id int, a text, b text, c int)

INSERT INTO ragged SELECT i, repeat('a', i % 200), CASE WHEN i % 3 = 0 THEN repeat('b', i % 90) END, i FROM generate_series(1, 800) i

UPDATE ragged SET c = c + 1

UPDATE ragged SET b = coalesce(b, '') || 'tail'

UPDATE ragged SET a = 'head' || a WHERE id % 2 = 0

UPDATE ragged SET c = NULL WHERE id % 11 = 0

CREATE TABLE upserted (k int PRIMARY KEY, n int)

INSERT INTO upserted SELECT i, 0 FROM generate_series(1, 50) i ON CONFLICT (k) DO UPDATE SET n = upserted.n + 1

INSERT INTO upserted SELECT i, 0 FROM generate_series(25, 75) i ON CONFLICT (k) DO UPDATE SET n = upserted.n + 1

INSERT INTO upserted SELECT i, 0 FROM generate_series(60, 90) i ON CONFLICT DO NOTHING

CREATE TABLE parted (k int, v int) PARTITION BY LIST (k)

CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)

CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2)

INSERT INTO parted SELECT 1, i FROM generate_series(1, 40) i

UPDATE parted SET k = 2 WHERE v % 2 = 0

CREATE SEQUENCE counter

SELECT nextval('counter') FROM generate_series(1, 100)

SELECT setval('counter', 5000)

ALTER SEQUENCE counter RESTART WITH 7

CREATE TABLE emptied (id serial, v text)

INSERT INTO emptied (v) SELECT 'v' FROM generate_series(1, 400)

TRUNCATE emptied RESTART IDENTITY

INSERT INTO emptied (v) VALUES ('after')

BEGIN

TRUNCATE emptied

INSERT INTO emptied (v) VALUES ('undone')

ROLLBACK

CREATE TABLE rewritten AS SELECT i AS id, repeat('x', 30) AS v FROM generate_series(1, 500) i

CREATE INDEX ON rewritten (id)

ALTER TABLE rewritten ADD COLUMN extra int DEFAULT 5

ALTER TABLE rewritten ALTER id TYPE bigint

CLUSTER rewritten USING rewritten_id_idx

VACUUM FULL rewritten

ANALYZE rewritten

CREATE UNLOGGED TABLE volatile (id int PRIMARY KEY, v text)

INSERT INTO volatile SELECT i, 'v' FROM generate_series(1, 100) i

ALTER TABLE volatile SET LOGGED

CREATE MATERIALIZED VIEW summary AS SELECT id % 10 AS k, count(*) FROM rewritten GROUP BY 1

REFRESH MATERIALIZED VIEW summary

CREATE TABLE doomed (id int PRIMARY KEY, v text)

INSERT INTO doomed SELECT i, repeat('d', 100) FROM generate_series(1, 500) i

DROP TABLE doomed

BEGIN

CREATE TABLE never (id int PRIMARY KEY)

INSERT INTO never SELECT generate_series(1, 500)

ROLLBACK

BEGIN

INSERT INTO upserted VALUES (1000, 1)

SAVEPOINT a

INSERT INTO upserted VALUES (1001, 1)

ROLLBACK TO a

SAVEPOINT b

UPDATE upserted SET n = 9 WHERE k = 1000

RELEASE b

COMMIT

BEGIN

INSERT INTO upserted VALUES (2000, 2)

PREPARE TRANSACTION 'kept'

COMMIT PREPARED 'kept'

BEGIN

DELETE FROM upserted WHERE k = 2000

CREATE TABLE prepared_away (id int)

PREPARE TRANSACTION 'undone'

ROLLBACK PREPARED 'undone'

DO $$ BEGIN FOR i IN 1..70 LOOP BEGIN INSERT INTO upserted VALUES (3000 + i, i); EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$

SELECT pg_create_logical_replication_slot('rewrites', 'test_decoding')

CREATE TABLE changes_catalog (id int)

VACUUM FULL pg_catalog.pg_class

VACUUM FULL pg_catalog.pg_attribute

SELECT pg_drop_replication_slot('rewrites')

SELECT pg_switch_wal()

SELECT pg_create_restore_point('here')

SELECT pg_replication_origin_create('upstream')

SELECT pg_replication_origin_session_setup('upstream')

BEGIN

SELECT pg_replication_origin_xact_setup('0/1234', now())

INSERT INTO upserted VALUES (4000, 0)

COMMIT

SELECT pg_replication_origin_session_reset()

SELECT pg_replication_origin_advance('upstream', '0/5678')

SELECT pg_replication_origin_drop('upstream')

CREATE TEMP TABLE spent (i int)

DO $$ BEGIN FOR i IN 1..34000 LOOP BEGIN INSERT INTO spent VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$

SELECT pg_logical_emit_message(false, 'oracle', 'message')

VACUUM

CHECKPOINT
`,
);
