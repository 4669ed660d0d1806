/** The proxy in front of a real Postgres, used by real clients. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { encodeSaslInitialResponse, encodeSaslResponse, encodeStartupPacket } from '@neon/postgres';
import type { Client } from 'pg';
import { ENDPOINT_ID, HOST, PASSWORD, ProxiedPostgres } from './fixture/proxied-postgres';

let world: ProxiedPostgres;

beforeAll(async () => {
  world = await ProxiedPostgres.start();
  await world.startProxy();
});

afterAll(() => world.stop());

describe('psql', () => {
  it('connects with a verified certificate, and with channel binding required', async () => {
    expect(await world.psql('SELECT current_user')).toBe('alex');
    expect(await world.psql('SELECT 1', { sslmode: 'require', sslrootcert: '', channel_binding: 'require' })).toBe('1');
    expect(await world.psql('SELECT 1', { channel_binding: 'disable' })).toBe('1');
  });

  it.each(['endpoint', 'project'])('names the endpoint by options=%s where it sends no server name', async (key) => {
    const options = `${key}=${ENDPOINT_ID} -c search_path=elsewhere`;
    const keys = { host: '127.0.0.1', sslmode: 'require', options };
    expect(await world.psql('SHOW search_path', keys)).toBe('elsewhere');
  });

  it.each([';', '$'])('names the endpoint in its password, before %s', async (separator) => {
    const keys = { host: '127.0.0.1', sslmode: 'require', password: `endpoint=${ENDPOINT_ID}${separator}${PASSWORD}` };
    expect(await world.psql('SELECT current_user', keys)).toBe('alex');
    const wrong = world.psql('SELECT 1', { ...keys, password: `${keys.password}x` });
    await expect(wrong).rejects.toThrow("password authentication failed for user 'alex'");
  });

  it.each([
    ['no endpoint', { host: '127.0.0.1', sslmode: 'require' }, 'Endpoint ID is not specified.'],
    ['two endpoints', { options: 'endpoint=ep-other-lake-12345678' }, 'Inconsistent project name inferred from SNI'],
    ['an unknown endpoint', { host: HOST.replace('quiet', 'loud') }, 'The requested endpoint could not be found'],
    ['a pooled host', { host: HOST.replace('.', '-pooler.') }, 'Pooled connections are not supported yet'],
    ['no TLS', { sslmode: 'disable' }, 'connection is insecure (try using `sslmode=require`)'],
    ['a wrong password', { password: 'no' }, "password authentication failed for user 'alex'"],
    ['an unknown role', { user: 'nobody' }, "password authentication failed for user 'nobody'"],
    ['an unknown database', { dbname: 'none' }, 'database "none" does not exist'],
    ['a point in time', { options: 'neon_lsn:0/1' }, '"neon_lsn" is not supported yet'],
  ])('is told about %s', async (_case, keys, text) => {
    await expect(world.psql('SELECT 1', keys)).rejects.toThrow(text);
  });

  it('cancels its query with Control-C', async () => {
    const psql = spawn('/usr/bin/psql', ['-XAtw', '-c', 'SELECT pg_sleep(60)'], {
      env: {
        ...process.env,
        PGHOST: HOST,
        PGHOSTADDR: '127.0.0.1',
        PGPORT: String(world.proxyPort),
        PGUSER: 'alex',
        PGPASSWORD: PASSWORD,
        PGDATABASE: 'neondb',
        PGSSLMODE: 'require',
      },
    });
    let errors = '';
    psql.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    while ((await world.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")) !== '1')
      await sleep(20);
    psql.kill('SIGINT');
    await once(psql, 'close');
    expect(errors).toContain('canceling statement due to user request');
  });
});

describe('the pg driver', () => {
  it('sees the compute as it is: parameters, process id, application name', async () => {
    const client = await world.connected({ application_name: 'spec' });
    const { rows } = await client.query("SELECT pg_backend_pid() AS pid, current_setting('application_name') AS name");
    expect(rows[0]).toEqual({ pid: Reflect.get(client, 'processID'), name: 'spec' });
    await client.end();
  });

  it('gets the SQLSTATE of a wrong password', async () => {
    await expect(world.connected({ password: 'wrong' })).rejects.toMatchObject({ code: '28P01', severity: 'FATAL' });
  });

  it('two hundred connections work at the same time', async () => {
    const clients = await Promise.all(Array.from({ length: 200 }, () => world.connected()));
    const answers = await Promise.all(
      clients.map((client, i) => client.query<{ n: number }>('SELECT $1::int AS n', [i])),
    );
    expect(answers.map(({ rows }) => rows[0]?.n)).toEqual(clients.map((_, i) => i));
    await Promise.all(clients.map((client) => client.end()));
  });

  it('channel_binding among the startup parameters does no harm', async () => {
    const bytes = encodeStartupPacket({
      kind: 'startup',
      minor: 0,
      parameters: [
        ['user', 'alex'],
        ['channel_binding', 'require'],
      ],
    });
    expect(await overTls(bytes)).toContain('SCRAM-SHA-256-PLUS');
  });
});

describe('a commit that waits for a standby', () => {
  const waitFor = async (standby: string) => {
    await world.psql(`ALTER SYSTEM SET synchronous_standby_names = '${standby}'`);
    await world.psql('SELECT pg_reload_conf()');
    while ((await world.psql('SHOW synchronous_standby_names')) !== standby) await sleep(20);
  };
  beforeAll(() => waitFor('nobody'));
  afterAll(() => waitFor(''));

  it.each(['pg_cancel_backend', 'pg_terminate_backend'])('and is ended by %s is no success', async (end) => {
    const client = await world.connected();
    const ended = endOf(client);
    const pid = String(Reflect.get(client, 'processID'));
    const commit = client.query(`CREATE TABLE ${end} (i int)`);
    const outcome = expect(commit).rejects.toMatchObject({ code: '08007', severity: 'FATAL' });
    while ((await world.psql(`SELECT wait_event FROM pg_stat_activity WHERE pid = ${pid}`)) !== 'SyncRep')
      await sleep(20);
    await world.psql(`SELECT ${end}(${pid})`);
    await outcome;
    await ended;
  });

  it('and is cancelled with Control-C is no success', async () => {
    const sql = "SET application_name = 'waits'; CREATE TABLE control_c (i int)";
    const psql = spawn('/usr/bin/psql', ['-XAtw', '-c', sql], {
      env: {
        ...process.env,
        PGHOST: HOST,
        PGHOSTADDR: '127.0.0.1',
        PGPORT: String(world.proxyPort),
        PGUSER: 'alex',
        PGPASSWORD: PASSWORD,
        PGDATABASE: 'neondb',
        PGSSLMODE: 'require',
      },
    });
    let errors = '';
    psql.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const closed = once(psql, 'close');
    const waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waits' AND wait_event = 'SyncRep'";
    while ((await world.psql(waiting)) !== '1') await sleep(20);
    psql.kill('SIGINT');
    expect((await closed)[0]).not.toBe(0);
    // psql shows no error of a query that it cancelled, only that the session is over.
    expect(errors).toContain('connection to server was lost');
  });
});

describe('bulk data', () => {
  it('passes both ways unchanged, and a reader that pauses holds up the writer', async () => {
    await world.psql('CREATE TABLE bulk (n int, filler text)');
    const rows = 300_000;
    const load = spawn('/bin/sh', [
      '-c',
      `awk 'BEGIN { for (n = 0; n < ${rows}; n++) print n "\\t" "filler filler filler filler filler" }' | ` +
        `psql -Xqw "host=${HOST} hostaddr=127.0.0.1 port=${world.proxyPort} user=alex password=${PASSWORD} dbname=neondb sslmode=require" -c 'COPY bulk FROM STDIN'`,
    ]);
    expect((await once(load, 'close'))[0]).toBe(0);
    expect(await world.psql('SELECT count(*), sum(n) FROM bulk')).toBe(`${rows}|${(rows * (rows - 1)) / 2}`);
    const copied = await world.psql('COPY (SELECT * FROM bulk ORDER BY n) TO STDOUT');
    expect(copied.split('\n')).toHaveLength(rows);
    const sentBytes = (): number => world.proxy?.totalBytes.sentBytes ?? 0;
    const before = sentBytes();
    const paused = spawn(
      '/bin/sh',
      [
        '-c',
        `psql -XqAtw "host=${HOST} hostaddr=127.0.0.1 port=${world.proxyPort} user=alex password=${PASSWORD} dbname=neondb sslmode=require" ` +
          `-c "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 200000)) TO STDOUT" | (read -r go <&3; wc -c)`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] },
    );
    while (sentBytes() === before) await sleep(20);
    await sleep(700);
    expect(sentBytes() - before).toBeLessThan(50_000_000);
    (paused.stdio[3] as Writable).end('go\n');
    const [counted] = (await once(paused.stdout as Readable, 'data')) as [Buffer];
    expect(Number(counted.toString())).toBe(200_000 * 1_001);
  });
});

describe('a compute that goes away', () => {
  it('is woken again when it refuses the connection right after it was woken', async () => {
    await world.stopPostgres();
    const before = world.wakes;
    const connecting = world.connected();
    await sleep(400);
    await world.startPostgres();
    const client = await connecting;
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(world.wakes - before).toBeGreaterThan(1);
    await client.end();
  });

  it('ends its sessions, as a crash of Postgres does', async () => {
    const client = await world.connected();
    const ended = endOf(client);
    await world.stopPostgres();
    await ended;
    await world.startPostgres();
    expect(await world.psql('SELECT 1')).toBe('1');
  });
});

describe('bytes that are no client', () => {
  it.each([
    ['text', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['zeros', Buffer.alloc(64)],
    ['a huge length', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0])],
    ['half a TLS handshake', Buffer.concat([Buffer.from([0x16, 3, 1, 0, 200]), Buffer.alloc(300, 7)])],
    ['bytes behind the request for TLS', Buffer.from([0, 0, 0, 8, 4, 210, 22, 47, 1, 2, 3])],
    ['an unknown cancel key', encodeStartupPacket({ kind: 'cancelRequest', key: { processId: 1, secret: 2 } })],
  ])('%s: the connection is closed, the proxy lives', async (_what, bytes) => {
    const socket = connect(world.proxyPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(bytes);
    await closeOf(socket);
    expect(await world.psql('SELECT 1')).toBe('1');
  });

  it('inside TLS: an error, then the end', async () => {
    expect(await overTls(Buffer.from('\0\0\0\x08\0\x02\0\0', 'latin1'))).toContain('unsupported frontend protocol');
    expect(await overTls(Buffer.from('nonsense nonsense'))).toContain('invalid length of startup packet');
  });

  it('a handshake with any bytes changed ends, and harms nobody else', async () => {
    const startup = encodeStartupPacket({ kind: 'startup', minor: 0, parameters: [['user', 'alex']] });
    const response = encodeSaslInitialResponse({ mechanism: 'SCRAM-SHA-256', data: Buffer.from('n,,n=,r=abc') });
    const whole = Buffer.concat([startup, response, encodeSaslResponse(Buffer.from('c=biws,r=abc,p=AAAA'))]);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), async (at, byte, length) => {
        const changed = Buffer.from(whole)
          .fill(byte, at, at + 1)
          .subarray(0, length);
        const socket = connectTls({ ...directly(), ALPNProtocols: ['postgresql'] });
        socket.on('error', () => undefined);
        await once(socket, 'secureConnect');
        socket.resume();
        socket.end(changed);
        await closeOf(socket);
      }),
      { numRuns: 200 },
    );
    expect(await world.psql('SELECT 1')).toBe('1');
  });

  it('without the protocol name of Postgres: direct TLS is refused, with it a session starts', async () => {
    const startup = encodeStartupPacket({ kind: 'startup', minor: 0, parameters: [['user', 'alex']] });
    expect(await overTls(startup, undefined)).toContain('without the ALPN protocol');
    expect(await overTls(startup)).toContain('SCRAM-SHA-256');
  });

  it('a newer minor version is answered with ours', async () => {
    const startup = encodeStartupPacket({ kind: 'startup', minor: 2, parameters: [['user', 'alex']] });
    expect((await overTls(startup)).charAt(0)).toBe('v');
  });
});

const directly = () => ({ host: '127.0.0.1', port: world.proxyPort, servername: HOST, rejectUnauthorized: false });

/** When it is closed, whether with an error or without. */
const closeOf = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

/** Direct TLS: what the proxy says within a moment to `bytes`. */
async function overTls(bytes: Uint8Array, alpn: string | undefined = 'postgresql'): Promise<string> {
  const usesAlpn = alpn !== undefined && arguments.length < 2;
  const socket = connectTls({
    ...directly(),
    ...(usesAlpn ? { ALPNProtocols: [alpn] } : {}),
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write(bytes);
  const [answer] = await once(socket, 'data');
  socket.destroy();
  return String(answer);
}

/** When the driver notices the end; the error it reports with it is no matter here. */
const endOf = (client: Client) => new Promise<void>((resolve) => client.once('end', () => resolve()));

describe('the limit', () => {
  it('D1: a client too many is told so, and D2: a drain ends what does not end by itself', async () => {
    await world.proxy?.drain(0);
    const proxy = await world.startProxy({ connectionsMax: 1 });
    const client = await world.connected();
    await expect(world.connected()).rejects.toMatchObject({ code: '53300' });
    const ended = endOf(client);
    await proxy.drain(100);
    await ended;
    await expect(world.connected()).rejects.toThrow('ECONNREFUSED');
    await world.startProxy();
  });
});
