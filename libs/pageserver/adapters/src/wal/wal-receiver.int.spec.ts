/** A WAL receiver between safekeepers of which some give broken bytes, nothing, or no answer. */
import { type AddressInfo, type Server, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn } from '@neon/kernel';
import type { SafekeeperAddress } from '@neon/pageserver-contract';
import type { Timeline } from '@neon/pageserver-core';
import { WalEncoder } from '@neon/postgres';
import { type Logger, createLogger } from '@neon/telemetry';
import { OracleCluster } from '../oracle/cluster';
import { type OpenedPageserver, named, openPageserver } from '../oracle/pageserver';
import { ReplicationServer } from '../oracle/replication-server';
import type { KnownStatus } from './safekeeper-choice';
import { WalReceiver } from './wal-receiver';

const HOST = '127.0.0.1';

let cluster: OracleCluster;
let opened: OpenedPageserver;
let made = 0;
let timeline: Timeline;
let servers: { close(): unknown }[];
let warnings: string[];

beforeAll(async () => {
  cluster = await OracleCluster.create();
  opened = await openPageserver(join(cluster.directory, 'pageserver'), cluster.templates);
});
afterAll(async () => {
  await opened.openFiles.closeAll();
  await cluster.destroy();
});

beforeEach(async () => {
  timeline = await opened.pageserver.create(named(String(++made)), { mode: 'bootstrap', pgMajor: 17 });
  servers = [];
  warnings = [];
});
afterEach(async () => {
  for (const server of servers) await server.close();
});

/** A commit, after which the timeline is where `endLsn` says. */
function wal(): { bytes: Uint8Array; endLsn: Lsn } {
  const { systemId, walSegmentSize: segmentSize, pgMajor: major } = timeline.index;
  const { lastRecordLsn: startLsn, prevRecordLsn: prevLsn } = timeline;
  const encoder = new WalEncoder({ major, segmentSize, startLsn, prevLsn, systemId });
  const { bytes } = encoder.append({ rmid: 1, info: 0, xid: 700, main: new Uint8Array(8) });
  return { bytes: Uint8Array.from(bytes), endLsn: encoder.endLsn };
}

async function serving(bytes: Uint8Array): Promise<number> {
  const { lastRecordLsn: startLsn } = timeline;
  const server = await ReplicationServer.listen({ startLsn, bytes }, Lsn.advance(startLsn, bytes.length));
  servers.push(server);
  return server.port;
}

/** In the record's data, before its padding. */
function broken(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = copy.length - 8;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** @param ahead what the safekeeper is said to have committed, by its place */
function receiving(ports: readonly number[], ahead: readonly Lsn[]): WalReceiver {
  const safekeepers = ports.map((port, index): SafekeeperAddress => ({
    id: index + 1,
    host: HOST,
    replicationPort: port,
  }));
  const known = (): ReadonlyMap<number, KnownStatus> =>
    new Map(ahead.map((commitLsn, index) => [index + 1, { commitLsn, atMs: Date.now() }]));
  const logger = Object.assign(createLogger('spec', 'silent'), {
    warn: (_: unknown, message: string) => void warnings.push(message),
  } as Partial<Logger>);
  return new WalReceiver({ timeline, token: 'storage-token', pageserverId: 1, safekeepers, known, logger });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 6_000; attempt++) {
    if (holds()) return;
    await sleep(10);
  }
  throw new Error(`never: ${what}`);
}

const isBroken = (): number => warnings.filter((message) => message === 'received bytes are not WAL').length;

it('R3: broken bytes of the one that is said to be best stop nothing: another one has the right ones', async () => {
  const { bytes, endLsn } = wal();
  const lagging = await serving(new Uint8Array(0));
  const ports = [await serving(bytes), lagging, await serving(broken(bytes))];
  const start = timeline.lastRecordLsn;
  const receiver = receiving(ports, [start, start, endLsn]);
  await until('the WAL is there', () => timeline.lastRecordLsn === endLsn);
  expect(isBroken()).toBeGreaterThan(0);
  expect(timeline.stopped).toBeNull();
  await receiver.stop();
});

it('R3: one safekeeper alone is not believed when others are out of reach; two are', async () => {
  const { bytes, endLsn } = wal();
  const away = createServer();
  await new Promise<void>((resolve) => away.listen(0, HOST, resolve));
  const { port } = away.address() as AddressInfo;
  await new Promise((resolve) => away.close(resolve));
  const ports = [await serving(broken(bytes)), port];
  const receiver = receiving(ports, [endLsn]);
  await until('it was asked for again and again', () => isBroken() >= 5);
  expect(timeline.stopped).toBeNull();
  const { lastRecordLsn: startLsn } = timeline;
  servers.push(await ReplicationServer.listen({ startLsn, bytes: broken(bytes) }, endLsn, port));
  await until('both said so', () => timeline.stopped !== null);
  await receiver.stop();
});

it('R2: every connection has its time, however long the one before brought nothing', async () => {
  const durations: number[] = [];
  const silent: Server = createServer((socket) => {
    const openedAt = performance.now();
    socket.on('error', () => undefined).resume();
    socket.on('close', () => durations.push(performance.now() - openedAt));
  });
  await new Promise<void>((resolve) => silent.listen(0, HOST, resolve));
  servers.push(silent);
  const { port } = silent.address() as AddressInfo;
  const ahead = Lsn.advance(timeline.lastRecordLsn, 8);
  const receiver = receiving([port, port], [ahead, ahead]);
  await until('two were left', () => durations.length >= 2);
  await receiver.stop();
  for (const duration of durations.slice(0, 2)) expect(duration).toBeGreaterThan(2_500);
});
