/** The whole way over a real nats-server: a client, the proxy, and responders in the place of the control plane. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { authenticateEndpoint, wakeEndpoint } from '@neon/control-plane-contract';
import { freePort } from '@neon/free-port';
import { Refusal } from '@neon/kernel';
import { Bus } from '@neon/messaging';
import { ENDPOINT_ID, HOST, ProxiedPostgres } from '../fixture/proxied-postgres';
import { NatsControlPlane } from './nats-control-plane';

let world: ProxiedPostgres;
let nats: ChildProcess;
let storeDir: string;
let proxyBus: Bus;
let controlPlane: Bus;
let controlPlaneAdapter: NatsControlPlane;
let wakeRequests = 0;
let wakeRefusals: Refusal[] = [];

const connectBus = (servers: string, name: string): Promise<Bus> =>
  Bus.connect({ servers, name, onError: () => undefined });

beforeAll(async () => {
  const port = await freePort();
  storeDir = mkdtempSync(join(tmpdir(), 'neon-proxy-nats-'));
  nats = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', storeDir], { stdio: 'ignore' });
  world = await ProxiedPostgres.start();
  controlPlane = await connectBus(`nats://127.0.0.1:${port}`, 'control-plane');
  proxyBus = await connectBus(`nats://127.0.0.1:${port}`, 'proxy');
  controlPlane.respond(authenticateEndpoint, async ({ endpointId, role }) => {
    if (endpointId !== ENDPOINT_ID) throw new Refusal('EndpointNotFound');
    return { projectId: 'p', branchId: 'b', verifier: role === 'alex' ? world.verifier : null, allowedIps: [] };
  });
  controlPlane.respond(wakeEndpoint, async () => {
    wakeRequests += 1;
    await sleep(50);
    const refusal = wakeRefusals.shift();
    if (refusal !== undefined) throw refusal;
    return world.compute(true);
  });
  await controlPlane.flush();
  controlPlaneAdapter = new NatsControlPlane(proxyBus);
  await world.startProxy({ controlPlane: controlPlaneAdapter });
});

afterAll(async () => {
  await world.stop();
  await Promise.all([proxyBus.close(), controlPlane.close()]);
  nats.kill();
  await once(nats, 'exit');
  rmSync(storeDir, { recursive: true, force: true });
});

it('a client reaches its compute', async () => {
  expect(await world.psql('SELECT current_user')).toBe('alex');
});

it('an unknown endpoint and an unknown role are told as they are over any adapter', async () => {
  await expect(world.psql('SELECT 1', { host: HOST.replace('quiet', 'loud') })).rejects.toThrow('could not be found');
  await expect(world.psql('SELECT 1', { user: 'eve' })).rejects.toThrow("failed for user 'eve'");
});

it('a quorum that is missing for a moment is waited for', async () => {
  wakeRefusals = [new Refusal('QuorumUnavailable', '1 of 3 safekeepers answered')];
  expect(await world.psql('SELECT 1')).toBe('1');
});

it('a timeline that stopped is named to the client', async () => {
  wakeRefusals = [new Refusal('TimelineStopped', 'cannot apply Gin/INSERT at 0/16B3748')];
  await expect(world.psql('SELECT 1')).rejects.toThrow(
    "Couldn't connect to compute node: cannot apply Gin/INSERT at 0/16B3748",
  );
});

it('clients that come at the same time share one request to wake', async () => {
  wakeRequests = 0;
  const answers = await Promise.all(Array.from({ length: 10 }, () => controlPlaneAdapter.wake(ENDPOINT_ID)));
  expect(answers.every(({ coldStart }) => coldStart)).toBe(true);
  expect(wakeRequests).toBe(1);
});

it('without a control plane the client is told to come back', async () => {
  await controlPlane.close();
  await expect(world.psql('SELECT 1')).rejects.toThrow('Control plane request failed. Please try again.');
});
