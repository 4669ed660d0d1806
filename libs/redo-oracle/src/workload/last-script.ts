/**
 * What a run ends with, for state that is compared only in the end: visibility bits that were cleared and not set again, a
 * prepared transaction, the progress of origins.
 */
import { script } from './script';

export const lastScript = script(
  'last',
  `
CREATE TABLE seen (id int, v int) WITH (fillfactor = 50, autovacuum_enabled = off)

INSERT INTO seen SELECT i, i FROM generate_series(1, 6000) i

CREATE UNIQUE INDEX ON seen (id)

VACUUM (FREEZE) seen

DELETE FROM seen WHERE id = 100

UPDATE seen SET v = 0 WHERE id = 400

UPDATE seen SET id = -700 WHERE id = 700

UPDATE seen SET v = 1, id = id WHERE id BETWEEN 1000 AND 1300

SELECT count(*) FROM (SELECT * FROM seen WHERE id = 1600 FOR UPDATE) locked

SELECT count(*) FROM (SELECT * FROM seen WHERE id = 1900 FOR KEY SHARE) locked

CREATE TABLE shifted (id int, v text) WITH (autovacuum_enabled = off)

INSERT INTO shifted SELECT i, repeat('x', 200) FROM generate_series(1, 50) i

VACUUM (FREEZE) shifted

BEGIN

DELETE FROM shifted WHERE id = 2

UPDATE shifted SET v = repeat('y', 200) WHERE id = 3

COMMIT

CREATE TABLE filled (v text) WITH (autovacuum_enabled = off)

COPY filled FROM PROGRAM 'seq 1 30'

VACUUM (FREEZE) filled

COPY filled FROM PROGRAM 'seq 31 60'

CREATE TABLE single (v int) WITH (autovacuum_enabled = off)

INSERT INTO single VALUES (1)

VACUUM (FREEZE) single

INSERT INTO single VALUES (2)

BEGIN

INSERT INTO seen SELECT i, i FROM generate_series(10001, 10020) i

SAVEPOINT a

DELETE FROM seen WHERE id = 5000

RELEASE a

PREPARE TRANSACTION 'left prepared'

SELECT pg_replication_origin_create('left')

SELECT pg_replication_origin_advance('left', '3/5678')

SELECT pg_replication_origin_create('by a commit')

SELECT pg_replication_origin_session_setup('by a commit')

BEGIN

SELECT pg_replication_origin_xact_setup('4/1234', now() - interval '1 hour')

CREATE TABLE by_origin (id int)

INSERT INTO single VALUES (3)

COMMIT

BEGIN

INSERT INTO single VALUES (30)

ROLLBACK

SELECT pg_replication_origin_session_reset()

SELECT pg_replication_origin_create('by a prepared one')

SELECT pg_replication_origin_session_setup('by a prepared one')

BEGIN

SELECT pg_replication_origin_xact_setup('4/2345', now() - interval '1 hour')

INSERT INTO single VALUES (4)

PREPARE TRANSACTION 'of an origin'

SELECT pg_replication_origin_session_reset()

SELECT pg_replication_origin_create('by a prepared commit')

SELECT pg_replication_origin_session_setup('by a prepared commit')

BEGIN

INSERT INTO single VALUES (5)

CREATE TABLE by_prepared (id int)

PREPARE TRANSACTION 'to be committed'

SELECT pg_replication_origin_xact_setup('4/3456', now() - interval '1 hour')

COMMIT PREPARED 'to be committed'

SELECT pg_replication_origin_session_reset()

CREATE TABLE empty (id int)
`,
);
