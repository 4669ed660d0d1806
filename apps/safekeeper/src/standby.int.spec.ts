/** A stock Postgres as a hot standby of safekeepers, which a plain Postgres feeds through a proposer. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn, type SafekeeperId, SystemId, TenantId, TimelineId } from '@neon/kernel';
import { DEFAULT_WAL_SEGMENT_SIZE } from '@neon/postgres';
import { distributionOf, findDistributions, packagedPostgres } from '@neon/postgres-server';
import { FIRST_LSN, TestPostgres, WalFeed } from './testing/fed-postgres';
import { Surroundings } from './testing/safekeeper-process';
import { TRIO, Trio, until } from './testing/trio';

const MAJOR = 17;
const [FIRST, SECOND, THIRD] = TRIO as [SafekeeperId, SafekeeperId, SafekeeperId];
const STANDBY = { hot_standby: 'on', wal_retrieve_retry_interval: '200ms', wal_receiver_timeout: '5s' };

describe('a hot standby', () => {
  const root = mkdtempSync(join(tmpdir(), 'standby-'));
  const distribution = distributionOf(findDistributions(packagedPostgres(resolve(__dirname, '../../..'))), MAJOR);
  let surroundings: Surroundings;
  let primary: TestPostgres;
  let standby: TestPostgres;
  let trio: Trio;
  let feed: WalFeed;
  let count = 0;

  beforeAll(async () => {
    chmodSync(root, 0o755);
    surroundings = await Surroundings.start(root);
  });
  afterAll(async () => {
    await surroundings.stop();
    rmSync(root, { recursive: true, force: true });
  });

  beforeEach(async () => {
    count++;
    primary = await TestPostgres.create(distribution, join(root, `primary-${count}`));
    await primary.start();
    await primary.query('CREATE TABLE t (id bigserial PRIMARY KEY, filler text)');
    await primary.query('INSERT INTO t (filler) SELECT md5(i::text) FROM generate_series(1, 1000) i');
    await primary.stop();
    const identity = {
      tenantId: TenantId.parse('aa'.repeat(16)),
      timelineId: TimelineId.parse(count.toString(16).padStart(32, '0')),
      pgMajor: MAJOR,
      systemId: primary.systemId,
      walSegmentSize: DEFAULT_WAL_SEGMENT_SIZE,
    };
    trio = await Trio.start(surroundings, { name: `trio-${count}`, identity, startLsn: FIRST_LSN });
    standby = primary.standby(join(root, `standby-${count}`), await conninfo([FIRST, SECOND]));
    await primary.start();
    feed = new WalFeed(primary, await trio.propose());
    await standby.start(STANDBY);
  });
  afterEach(async () => {
    await feed.stop();
    await standby.stop();
    await primary.stop();
    await trio.close();
  });

  async function conninfo(safekeepers: readonly SafekeeperId[]): Promise<string> {
    const hosts = safekeepers.map(() => '127.0.0.1').join(',');
    const ports = safekeepers.map((id) => trio.replicationPort(id)).join(',');
    return `host=${hosts} port=${ports} user=x password=${await trio.token()} options='${trio.settings}'`;
  }

  /** That the WAL it has ends (`invalid record length … got 0`) a standby says at each new connection. */
  const requireSound = (log: string): void =>
    expect(log).not.toMatch(/PANIC|checksum in record|invalid magic|pageaddr/);

  const DIGEST = "SELECT count(*)::int AS count, md5(string_agg(id || filler, ',' ORDER BY id)) AS digest FROM t";
  const insert = (rows: number) =>
    primary.query(`INSERT INTO t (filler) SELECT repeat(md5(i::text), 4) FROM generate_series(1, ${rows}) i`);
  const rowsOf = async (postgres: TestPostgres): Promise<number> =>
    (await postgres.query<{ count: number }>('SELECT count(*)::int AS count FROM t'))[0]?.count ?? 0;

  /** All of its WAL, not only what the rows need: what is stopped next is not stopped in the middle of a record. */
  async function untilSame(): Promise<void> {
    const endLsn = await primary.flushLsn();
    await until('the standby has replayed all of it', async () => {
      const [row] = await standby.query<{ lsn: string }>('SELECT pg_last_wal_replay_lsn()::text AS lsn');
      return Lsn.parse(row?.lsn ?? '0/0') >= endLsn;
    });
    const expected = await primary.query(DIGEST);
    await until('the standby has the same rows', async () => {
      const rows = await standby.query(DIGEST);
      return JSON.stringify(rows) === JSON.stringify(expected);
    });
  }

  test('answers with the same rows, while they are written and with another safekeeper when the first one goes', async () => {
    await insert(20_000);
    await untilSame();
    await primary.query('UPDATE t SET filler = filler || id WHERE id % 3 = 0');
    await primary.query('CREATE TABLE u AS TABLE t');
    await untilSame();
    await trio.stop(FIRST);
    await insert(5_000);
    await primary.query('DELETE FROM t WHERE id % 7 = 0');
    await primary.query('VACUUM t');
    await untilSame();
    await trio.start(FIRST);
    await trio.stop(SECOND);
    await insert(5_000);
    await untilSame();
    await expect(standby.query('DELETE FROM t')).rejects.toThrow('read-only transaction');
    requireSound(standby.log);
    await trio.start(SECOND);
  });

  test('never shows what a quorum has not', async () => {
    await insert(100);
    await untilSame();
    await trio.stop(SECOND);
    await trio.stop(THIRD);
    const before = await rowsOf(standby);
    await insert(100);
    const endLsn = await primary.flushLsn();
    await until('its safekeeper has it', async () => Lsn.parse((await trio.detail(FIRST)).flushLsn) >= endLsn);
    await sleep(1_500);
    expect(await rowsOf(standby)).toBe(before);
    await trio.start(THIRD);
    await untilSame();
    expect(await rowsOf(standby)).toBe(before + 100);
    await trio.start(SECOND);
  });

  test('follows through a change of the term', async () => {
    await insert(1_000);
    await untilSame();
    const { term } = await trio.detail(FIRST);
    await feed.stop();
    feed = new WalFeed(primary, await trio.propose());
    await insert(1_000);
    await untilSame();
    expect((await trio.detail(FIRST)).term).toBeGreaterThan(term);
    requireSound(standby.log);
  });

  test('goes on answering when the timeline is deleted, and its log says why there is no more WAL', async () => {
    await insert(1_000);
    await untilSame();
    const rows = await rowsOf(standby);
    await feed.stop();
    for (const id of TRIO) await trio.delete(id);
    await until('the log says so', () => /FATAL: .*(no timeline|deleted)/.test(standby.log));
    expect(await rowsOf(standby)).toBe(rows);
  });

  test('of another cluster, or with a token that is not for the timeline, follows nothing and says why', async () => {
    const other = await TestPostgres.create(distribution, join(root, `other-${count}`));
    const stranger = other.standby(join(root, `stranger-${count}`), await conninfo([FIRST]));
    await stranger.start(STANDBY);
    await until('its log says so', () => stranger.log.includes('database system identifier differs'));
    await stranger.stop();
    const { issuer } = surroundings;
    const claims = { scope: 'timeline', tenantId: 'cc'.repeat(16), timelineId: 'dd'.repeat(16) } as const;
    const refused = (await conninfo([FIRST])).replace(/password=\S+/, `password=${await issuer.issue(claims)}`);
    const intruder = other.standby(join(root, `intruder-${count}`), refused);
    await intruder.start(STANDBY);
    await until('its log says so', () => intruder.log.includes('the token is not for this timeline'));
    await intruder.stop();
    expect(SystemId.parse(primary.systemId)).not.toBe(other.systemId);
  });
});
