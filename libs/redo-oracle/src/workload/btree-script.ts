/** B-tree indexes: growth, duplicates, deletion down to empty pages, and back. */
import { script } from './script';

export const btreeScript = script(
  'btree',
  `
CREATE TABLE keys (k int, filler text) WITH (autovacuum_enabled = off)

CREATE INDEX keys_k ON keys (k)

COPY keys (k) FROM PROGRAM 'seq 1 12000'

INSERT INTO keys SELECT (i * 7919) % 60000, '' FROM generate_series(1, 4000) i

INSERT INTO keys SELECT 20000 - i, '' FROM generate_series(1, 1500) i

DELETE FROM keys WHERE k BETWEEN 2000 AND 11000

VACUUM keys

SELECT txid_current()

VACUUM keys

COPY keys (k) FROM PROGRAM 'seq 3000 6000'

DELETE FROM keys WHERE k < 59000

VACUUM keys

SELECT txid_current()

VACUUM keys

COPY keys (k) FROM PROGRAM 'seq 1 3000'

CREATE TABLE long_keys (k text)

CREATE INDEX long_keys_k ON long_keys (k)

INSERT INTO long_keys SELECT repeat(md5(i::text), 30) || i FROM generate_series(1, 900) i

DELETE FROM long_keys

VACUUM long_keys

SELECT txid_current()

VACUUM long_keys

INSERT INTO long_keys SELECT repeat(md5(i::text), 30) || i FROM generate_series(1, 150) i

CREATE TABLE shrinking (k text) WITH (autovacuum_enabled = off)

ALTER TABLE shrinking ALTER k SET STORAGE PLAIN

CREATE INDEX shrinking_k ON shrinking (k)

INSERT INTO shrinking SELECT lpad(i::text, 1200, '0') FROM generate_series(1, 600) i

DELETE FROM shrinking WHERE k < lpad('598', 1200, '0')

VACUUM shrinking

SELECT txid_current()

VACUUM shrinking

INSERT INTO shrinking SELECT lpad((600 + i)::text, 1200, '0') FROM generate_series(1, 60) i

CREATE TABLE duplicates (k int, v int) WITH (autovacuum_enabled = off)

CREATE INDEX duplicates_k ON duplicates (k)

INSERT INTO duplicates SELECT i % 20, i FROM generate_series(1, 8000) i

INSERT INTO duplicates SELECT 5, i FROM generate_series(1, 2000) i

DELETE FROM duplicates WHERE v % 3 = 0

VACUUM duplicates

INSERT INTO duplicates SELECT i % 20, i FROM generate_series(1, 4000) i

DELETE FROM duplicates WHERE v % 2 = 0

VACUUM duplicates

INSERT INTO duplicates SELECT i % 20, i FROM generate_series(1, 4000) i

CREATE INDEX duplicates_built ON duplicates (k)

CREATE INDEX duplicates_plain ON duplicates (v, k) WITH (deduplicate_items = off)

REINDEX INDEX duplicates_built

CREATE TABLE interleaved (k int) WITH (autovacuum_enabled = off)

COPY interleaved FROM PROGRAM 'for i in $(seq 1 9000); do echo 1; echo 2; done'

CREATE INDEX interleaved_k ON interleaved (k) WITH (fillfactor = 100)

DELETE FROM interleaved WHERE k = 2

VACUUM (INDEX_CLEANUP ON) interleaved

COPY interleaved FROM PROGRAM 'for i in $(seq 1 5000); do echo 1; done'

CREATE TABLE churned (id int PRIMARY KEY, a int, b int) WITH (fillfactor = 100, autovacuum_enabled = off)

CREATE INDEX churned_a ON churned (a)

CREATE INDEX churned_b ON churned (b)

INSERT INTO churned SELECT i, i % 50, i FROM generate_series(1, 1500) i

DO $$ BEGIN FOR i IN 1..12 LOOP UPDATE churned SET b = b + 1; COMMIT; END LOOP; END $$

DELETE FROM churned WHERE id % 2 = 0

SET enable_seqscan = off

SELECT count(*) FROM churned WHERE a BETWEEN 0 AND 49

SELECT count(*) FROM churned WHERE id BETWEEN 1 AND 1500

INSERT INTO churned SELECT i, i % 50, i FROM generate_series(2, 1500, 2) i

RESET enable_seqscan

VACUUM churned

ALTER INDEX churned_a SET (fillfactor = 50)

REINDEX TABLE CONCURRENTLY churned
`,
);
