/** The control plane as a process: real Postgres, real NATS, the published client; stand-ins for storage and the compute host. */
import { authenticateEndpoint, endpointStarted, projectCreated, wakeEndpoint } from '@neon/control-plane-contract';
import { Refusal } from '@neon/kernel';
import type { Bus } from '@neon/messaging';
import { generateKeyPair } from '@neon/service-token';
import { type Telemetry, createLogger, startTelemetry } from '@neon/telemetry';
import { type Api, createApiClient } from '@neondatabase/api-client';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { type Config, parseConfig } from './config';
import { type RunningControlPlane, startControlPlane } from './start';
import { FakeHost, FakeStorage, type Stopping, connectBus, hold, startMetadata, startNats } from './testing/services';

const KEY = 'napi_bootstrap';
const READ_WRITE = 'read_write' as never;
const keys = mkdtempSync(join(tmpdir(), 'neon-keys-'));
const storage = new FakeStorage();
let metadata: Stopping & { url: string };
let nats: Stopping & { url: string };
let bus: Bus;
let host: FakeHost;
let config: Config;
let node: RunningControlPlane;
let announcing: NodeJS.Timeout;
let telemetry: Telemetry;

/** What was logged as an error. */
const errors: Record<string, unknown>[] = [];
const watchedLogger = () =>
  Object.assign(createLogger('control-plane', 'error'), {
    error: (fields: object, msg: string): void => void errors.push({ ...fields, msg }),
  });

const file = (name: string, content: string): string => {
  writeFileSync(join(keys, name), content);
  return join(keys, name);
};
const baseUrl = () => `http://127.0.0.1:${node.httpPort}/api/v2`;
const client = (apiKey = KEY): Api<unknown> => createApiClient({ apiKey, baseURL: baseUrl() });

beforeAll(async () => {
  telemetry = startTelemetry({ service: 'control-plane', otlpUrl: undefined });
  [metadata, nats] = await Promise.all([startMetadata(), startNats()]);
  await storage.start();
  bus = await connectBus(nats.url, 'spec');
  host = new FakeHost(bus, 'host-1');
  host.start();
  announcing = setInterval(() => storage.announce(bus), 200);
  config = parseConfig({
    NEON_HTTP_PORT: '0',
    NEON_DATABASE_URL: metadata.url,
    NEON_NATS_URL: nats.url,
    NEON_TOKEN_PRIVATE_KEY_FILE: file('private.pem', (await generateKeyPair()).privatePem),
    NEON_SECRET_KEY_FILE: file('secret', 'ab'.repeat(32)),
    NEON_BOOTSTRAP_API_KEY_FILE: file('api-key', `${KEY}\n`),
    NEON_PROXY_DOMAIN: 'localhost',
    NEON_PROXY_PORT: '55432',
  });
  node = await startControlPlane(config, watchedLogger());
});
afterAll(async () => {
  await node.close();
  await telemetry.stop();
  clearInterval(announcing);
  await host.stop();
  await bus.close();
  storage.stop();
  await Promise.all([metadata.stop(), nats.stop()]);
  rmSync(keys, { recursive: true });
});

afterEach(() => {
  host.refuse = null;
  host.held = Promise.resolve();
  storage.held = Promise.resolve();
  storage.away.clear();
});

/** Waits until nothing is open, and answers with all operations, oldest first. */
async function settled(projectId: string) {
  for (let attempt = 0; attempt < 2400; attempt++) {
    const { operations } = (await client().listProjectOperations({ projectId })).data;
    if (operations.every(({ status }) => !['scheduling', 'running'].includes(status))) return operations.reverse();
    await sleep(25);
  }
  throw new Error('operations do not end');
}

async function until(check: () => Promise<boolean> | boolean): Promise<void> {
  for (let attempt = 0; attempt < 2400; attempt++) {
    if (await check()) return;
    await sleep(25);
  }
  throw new Error('never');
}

async function project(name = 'spec') {
  const { data } = await client().createProject({ project: { name } });
  await settled(data.project.id);
  const [endpoint] = data.endpoints;
  if (endpoint === undefined) throw new Error('no endpoint');
  return { projectId: data.project.id, branchId: data.branch.id, endpointId: endpoint.id, created: data };
}

async function rowsOf(query: string): Promise<Record<string, unknown>[]> {
  const database = new Client({ connectionString: metadata.url });
  await database.connect();
  const { rows } = await database.query<Record<string, unknown>>(query);
  await database.end();
  return rows;
}

const failure = async (work: Promise<unknown>) => {
  try {
    await work;
  } catch (error) {
    const { response } = error as { response: { status: number; data: unknown; headers: Record<string, string> } };
    return {
      status: response.status,
      body: response.data as { code: string; message: string; request_id: string },
      headers: response.headers,
    };
  }
  throw new Error('did not fail');
};

describe('a project', () => {
  it('is created with everything that a client needs to connect, and then provisioned', async () => {
    const release = hold(storage);
    const response = await client().createProject({ project: { name: 'first' } });
    expect(response.status).toBe(201);
    expect(response.headers['x-neon-ret-request-id']).toMatch(/\w/);
    const { project, branch, endpoints, roles, databases, operations, connection_uris: uris } = response.data;
    expect(project).toMatchObject({ name: 'first', pg_version: 17, region_id: 'aws-us-east-2', store_passwords: true });
    expect(branch).toMatchObject({ name: 'main', default: true, current_state: 'init', pending_state: 'ready' });
    expect(endpoints[0]).toMatchObject({ type: 'read_write', current_state: 'init', pending_state: 'active' });
    expect(roles).toMatchObject([{ name: 'neondb_owner', protected: false }]);
    expect(databases).toMatchObject([{ name: 'neondb', owner_name: 'neondb_owner' }]);
    expect(operations.map(({ action, status }) => [action, status])).toEqual([
      ['create_timeline', 'running'],
      ['start_compute', 'scheduling'],
    ]);
    const password = roles[0]?.password ?? '';
    expect(uris[0]?.connection_uri).toBe(
      `postgresql://neondb_owner:${password}@${endpoints[0]?.id}.localhost:55432/neondb?sslmode=require&channel_binding=require`,
    );
    release();
    expect((await settled(project.id)).map(({ status }) => status)).toEqual(['finished', 'finished']);
    const { data: after } = await client().getProjectEndpoint(project.id, endpoints[0]?.id ?? '');
    expect(after.endpoint.current_state).toBe('active');
    const spec = host.starts.at(-1);
    expect(spec).toMatchObject({
      computeId: endpoints[0]?.id,
      pgMajor: 17,
      systemId: '7300000000000000001',
      databases: [{ name: 'neondb', owner: 'neondb_owner' }],
    });
    expect(spec?.safekeepers).toHaveLength(3);
    expect([...storage.safekeeperTimelines.keys()].filter((key) => key.endsWith(spec?.timelineId ?? '?'))).toHaveLength(
      3,
    );
  });

  it('is listed, found, renamed, paged through, and deleted with all it has', async () => {
    const { projectId, branchId } = await project('paged-1');
    const second = await project('paged-2');
    const page = (await client().listProjects({ limit: 1, search: 'paged' })).data;
    expect(page.projects.map(({ name }) => name)).toEqual(['paged-2']);
    const next = (await client().listProjects({ limit: 1, search: 'paged', cursor: page.pagination?.cursor ?? '' }))
      .data;
    expect(next.projects.map(({ name }) => name)).toEqual(['paged-1']);
    expect((await client().updateProject(projectId, { project: { name: 'renamed' } })).data.project.name).toBe(
      'renamed',
    );
    expect((await client().getProject(projectId)).data.project.name).toBe('renamed');

    const timelinesBefore = storage.timelines.size;
    await client().createProjectBranch(projectId, {});
    await settled(projectId);
    expect((await client().deleteProject(projectId)).data.project.id).toBe(projectId);
    expect(await failure(client().getProject(projectId))).toMatchObject({ status: 404 });
    expect(await failure(client().listProjectBranches({ projectId }))).toMatchObject({ status: 404 });
    await until(() => storage.timelines.size === timelinesBefore - 1);
    expect(await failure(client().getProjectBranch(projectId, branchId))).toMatchObject({ status: 404 });
    await client().deleteProject(second.projectId);
  });
});

describe('branches', () => {
  it('inherit roles, databases and passwords; are renamed; are found by name; are not deleted with children', async () => {
    const { projectId, branchId, created } = await project();
    const release = hold(storage);
    const { data } = await client().createProjectBranch(projectId, {
      branch: { name: 'dev' },
      endpoints: [{ type: READ_WRITE }],
      annotation_value: { 'vercel-commit-ref': 'main' },
    });
    expect(data.operations.map(({ action }) => action)).toEqual(['create_branch', 'start_compute']);
    expect(data.branch).toMatchObject({ name: 'dev', parent_id: branchId, current_state: 'init', default: false });
    expect(data.roles.map(({ name }) => name)).toEqual(['neondb_owner']);
    const revealed = await client().getProjectBranchRolePassword(projectId, data.branch.id, 'neondb_owner');
    expect(revealed.data.password).toBe(created.roles[0]?.password);
    expect(data.connection_uris?.[0]?.connection_parameters.host).toBe(`${data.endpoints[0]?.id}.localhost:55432`);
    release();
    await settled(projectId);
    const dev = (await client().getProjectBranch(projectId, data.branch.id)).data;
    expect(dev.branch).toMatchObject({ current_state: 'ready', parent_lsn: '0/2000000' });
    expect(dev.annotation.value).toEqual({ 'vercel-commit-ref': 'main' });

    const child = (await client().createProjectBranch(projectId, { branch: { parent_id: data.branch.id } })).data
      .branch;
    expect(child.name).toBe(child.id);
    await settled(projectId);
    expect(await failure(client().deleteProjectBranch({ projectId, branchId: data.branch.id }))).toMatchObject({
      status: 422,
      body: { code: 'BRANCH_HAS_CHILDREN', message: `cannot delete branch that has children: ${child.id}` },
    });
    expect(await failure(client().deleteProjectBranch({ projectId, branchId: branchId }))).toMatchObject({
      status: 422,
    });
    expect(await failure(client().updateProjectBranch(projectId, child.id, { branch: { name: 'dev' } }))).toMatchObject(
      {
        status: 409,
      },
    );
    await client().updateProjectBranch(projectId, data.branch.id, { branch: { name: 'old-dev' } });
    await client().updateProjectBranch(projectId, child.id, { branch: { name: 'dev' } });
    const found = (await client().listProjectBranches({ projectId, search: 'dev', sort_by: 'name', sort_order: 'asc' }))
      .data;
    expect(found.branches.map(({ name }) => name)).toEqual(['dev', 'old-dev']);
    expect((await client().countProjectBranches({ projectId })).data.count).toBe(3);

    const deleted = await client().deleteProjectBranch({ projectId, branchId: child.id });
    expect(deleted.data.operations.map(({ action }) => action)).toEqual(['delete_timeline']);
    await settled(projectId);
    expect((await client().deleteProjectBranch({ projectId, branchId: child.id })).status).toBe(204);
    const withEndpoint = await client().deleteProjectBranch({ projectId, branchId: data.branch.id });
    expect(withEndpoint.data.operations.map(({ action }) => action)).toEqual(['suspend_compute', 'delete_timeline']);
    await settled(projectId);
    expect(host.running.has(data.endpoints[0]?.id ?? '')).toBe(false);
  });

  it('begin at an LSN or a time of the parent, and nowhere else', async () => {
    const { projectId } = await project();
    const atLsn = (await client().createProjectBranch(projectId, { branch: { parent_lsn: '0/1800000' } })).data.branch;
    await settled(projectId);
    expect((await client().getProjectBranch(projectId, atLsn.id)).data.branch.parent_lsn).toBe('0/1800000');
    const time = '2026-01-01T00:00:00.123456Z';
    const atTime = (await client().createProjectBranch(projectId, { branch: { parent_timestamp: time } })).data.branch;
    expect(atTime.parent_timestamp).toBe('2026-01-01T00:00:00Z');
    await settled(projectId);
    for (const branch of [
      { parent_lsn: '1/0' },
      { parent_lsn: '0/10' },
      { parent_lsn: 'zero' },
      { parent_timestamp: '2000-01-01T00:00:00Z' },
      { parent_timestamp: 'yesterday' },
      { parent_lsn: '0/1800000', parent_timestamp: time },
    ])
      expect(await failure(client().createProjectBranch(projectId, { branch }))).toMatchObject({ status: 400 });
    expect(
      await failure(client().createProjectBranch(projectId, { branch: { parent_id: 'br-no-where-1' } })),
    ).toMatchObject({
      status: 404,
    });
  });

  it('of a parent that stopped on a record begin at an LSN before it, and nowhere after it', async () => {
    const { projectId } = await project();
    storage.stopped = { lastRecordLsn: '0/1900000', stopReason: 'cannot apply Gist/DELETE at 0/1900000' };
    try {
      await client().createProjectBranch(projectId, { branch: { name: 'rescued', parent_lsn: '0/1800000' } });
      expect((await settled(projectId)).filter(({ status }) => status === 'failed')).toEqual([]);
      await client().createProjectBranch(projectId, { branch: { name: 'head' } });
      const failed = (await settled(projectId)).filter(({ status }) => status === 'failed');
      expect(failed.map(({ error }) => error)).toEqual([expect.stringContaining('Gist/DELETE at 0/1900000')]);
    } finally {
      storage.stopped = null;
    }
  });

  it('are refused with 423 while the project is busy', async () => {
    const release = hold(host);
    const { data } = await client().createProject({ project: {} });
    expect(await failure(client().createProjectBranch(data.project.id, {}))).toMatchObject({
      status: 423,
      body: {
        message: 'project already has running conflicting operations, scheduling of new ones is prohibited',
      },
      headers: { 'retry-after': '1' },
    });
    release();
    await settled(data.project.id);
  });

  it('are made with one safekeeper away, which gets them when it is back; not with two', async () => {
    const { projectId } = await project();
    storage.away.add(3);
    const { data } = await client().createProjectBranch(projectId, {});
    await settled(projectId);
    expect((await client().getProjectBranch(projectId, data.branch.id)).data.branch.current_state).toBe('ready');
    const before = storage.safekeeperTimelines.size;
    storage.away.add(2);
    await client().createProjectBranch(projectId, {});
    const last = async () => (await client().listProjectOperations({ projectId, limit: 1 })).data.operations[0];
    await until(async () => ((await last())?.failures_count ?? 0) > 0);
    expect(await last()).toMatchObject({
      action: 'create_branch',
      status: 'running',
      error: expect.stringContaining('1 of 3'),
    });
    storage.away.clear();
    await settled(projectId);
    // The second branch on three, and the first on the one that was away.
    await until(() => storage.safekeeperTimelines.size === before + 4);
  });
});

describe('a branch of the head', () => {
  afterEach(() => {
    storage.flushLsns.clear();
    storage.commitLsn = '0/2000000';
    storage.impostors.clear();
  });

  it('has what was acknowledged by a compute that was killed before it told the safekeepers what is committed', async () => {
    const { projectId } = await project();
    for (const [id, lsn] of [
      [1, '0/2000100'],
      [2, '0/2000200'],
      [3, '0/2000000'],
    ] as const)
      storage.flushLsns.set(id, lsn);
    const { data } = await client().createProjectBranch(projectId, {});
    await settled(projectId);
    expect((await client().getProjectBranch(projectId, data.branch.id)).data.branch).toMatchObject({
      current_state: 'ready',
      parent_lsn: '0/2000100',
    });
  });

  // One that answers at two addresses is one.
  it.each([
    ['one is away', () => storage.away.add(3)],
    ['another one answers in the place of one', () => storage.impostors.set(3, 2)],
    ['the one that is ahead answers in the place of one', () => storage.impostors.set(3, 1)],
  ])('waits while it cannot be known whether a commit was acknowledged: %s', async (_, happen) => {
    const { projectId } = await project();
    storage.flushLsns.set(1, '0/2000100');
    happen();
    const { data } = await client().createProjectBranch(projectId, {});
    await until(async () => {
      const [last] = (await client().listProjectOperations({ projectId, limit: 1 })).data.operations;
      return last?.error?.includes('from 0/2000000 to 0/2000100 may be committed') === true;
    });
    storage.away.clear();
    storage.impostors.clear();
    await settled(projectId);
    expect((await client().getProjectBranch(projectId, data.branch.id)).data.branch.parent_lsn).toBe('0/2000000');
  });
});

describe('a safekeeper that lost its disk', () => {
  const putsTo = (id: number, from: number) =>
    storage.requests.slice(from).filter((line) => new RegExp(`^safekeeper-${id} PUT`).test(line)).length;

  it('is never given its branches again, gets those it never had, and does not hold up the others', async () => {
    const { projectId, branchId } = await project();
    const logged = errors.length;
    storage.loseDisk(2);
    await until(() => errors.slice(logged).some((line) => line['branchId'] === branchId));
    const branch = errors.slice(logged).filter((line) => line['branchId'] === branchId);
    expect(branch).toMatchObject([{ safekeeperId: 2, msg: 'a safekeeper lost a branch: it stays out of it' }]);
    expect([...storage.safekeeperTimelines.keys()].filter((key) => key.startsWith('safekeeper-2 '))).toEqual([]);
    const before = storage.requests.length;
    const { data } = await client().createProjectBranch(projectId, {});
    await settled(projectId);
    expect((await client().getProjectBranch(projectId, data.branch.id)).data.branch.current_state).toBe('ready');
    expect(putsTo(2, before)).toBe(1);
    const metrics = await (await fetch(`http://127.0.0.1:${node.httpPort}/metrics`)).text();
    expect(metrics).toMatch(/neon_control_plane_lost_timeline_members(\{.*\})? [1-9]/);
    await client().deleteProject(projectId);
    await settled(projectId).catch(() => undefined);
    expect(errors.slice(logged).filter((line) => line['branchId'] === branchId)).toHaveLength(1);
  });
});

describe('a change of safekeepers', () => {
  const change = async (projectId: string, ids: readonly number[]) => {
    const response = await fetch(`http://127.0.0.1:${node.httpPort}/operator/v1/projects/${projectId}/safekeepers`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ safekeeper_ids: ids }),
    });
    return { status: response.status, body: (await response.json()) as { code?: string } };
  };

  it('asks safekeepers who they are: right after a start none has reported, and a new disk may not have either', async () => {
    const { projectId } = await project();
    clearInterval(announcing);
    await node.close();
    node = await startControlPlane(config, watchedLogger());
    storage.loseDisk(3);
    try {
      expect((await change(projectId, [1, 2, 3])).status).toBe(200);
      const [row] = await rowsOf(
        `SELECT payload FROM events WHERE type = 'ProjectSafekeepersChanged' ORDER BY position DESC LIMIT 1`,
      );
      expect(JSON.stringify(row?.['payload'])).toContain(storage.incarnations.get(3));
    } finally {
      announcing = setInterval(() => storage.announce(bus), 200);
    }
    await client().deleteProject(projectId);
  });
});

describe('a deletion', () => {
  afterEach(() => storage.impostors.clear());

  it.each([
    ['away', () => storage.away.add(3)],
    ['away, and another one had its address', () => storage.impostors.set(3, 2)],
  ])(
    'goes to a safekeeper that was %s, when it is back, though the control plane was started anew',
    async (_, happen) => {
      const { projectId } = await project();
      happen();
      const before = storage.requests.length;
      await client().deleteProject(projectId);
      await until(
        () => storage.requests.slice(before).filter((line) => /^safekeeper-[12] DELETE/.test(line)).length >= 2,
      );
      await until(async () => (await rowsOf('SELECT safekeeper_id FROM timeline_deletions')).length === 1);
      const kept = () =>
        [...storage.safekeeperTimelines.keys()].filter((key) => key.startsWith('safekeeper-3 ')).length;
      const keptBefore = kept();
      await node.close();
      node = await startControlPlane(config, watchedLogger());
      storage.away.clear();
      storage.impostors.clear();
      await until(() => kept() === keptBefore - 1);
      await until(async () => (await rowsOf('SELECT safekeeper_id FROM timeline_deletions')).length === 0);
    },
  );
});

describe('a deletion that storage refuses', () => {
  it('is told to whoever looks after the system, and stays open', async () => {
    const { projectId } = await project();
    const body = { code: 'TimelineHasChildren', message: 'has branches' };
    storage.failing = { pattern: /^pageserver DELETE/, status: 412, body, times: 1 };
    const logged = errors.length;
    await client().deleteProject(projectId);
    const line = () => errors.slice(logged).find((each) => each['projectId'] === projectId);
    await until(() => line() !== undefined);
    expect(line()).toMatchObject({ action: 'delete_timeline', error: body, msg: expect.stringContaining('refused') });
    await until(async () => {
      const [row] = await rowsOf(
        `SELECT status, error FROM operations WHERE project_id = '${projectId}' AND action = 'delete_timeline'`,
      );
      return row?.['status'] === 'running' && String(row['error']).includes('has branches');
    });
    storage.failing = null;
  });
});

describe('roles and databases', () => {
  it('are created, listed, applied to the running compute, reset and deleted', async () => {
    const { projectId, branchId } = await project();
    const role = await client().createProjectBranchRole(projectId, branchId, { role: { name: 'ann' } });
    expect(role.status).toBe(201);
    expect(role.data.role.password).toMatch(/^npg_/);
    await settled(projectId);
    expect(host.applied.at(-1)?.roles.map(({ name }) => name)).toEqual(['neondb_owner', 'ann']);
    const database = await client().createProjectBranchDatabase(projectId, branchId, {
      database: { name: 'shop', owner_name: 'ann' },
    });
    expect(database.data.database).toMatchObject({ name: 'shop', owner_name: 'ann' });
    await settled(projectId);
    expect(await failure(client().deleteProjectBranchRole(projectId, branchId, 'ann'))).toMatchObject({ status: 422 });
    const reset = await client().resetProjectBranchRolePassword(projectId, branchId, 'ann');
    expect(reset.status).toBe(200);
    expect(reset.data.role.password).not.toBe(role.data.role.password);
    await settled(projectId);
    const revealed = await client().getProjectBranchRolePassword(projectId, branchId, 'ann');
    expect(revealed.data.password).toBe(reset.data.role.password);
    expect((await client().deleteProjectBranchDatabase(projectId, branchId, 'shop')).status).toBe(200);
    await settled(projectId);
    expect(host.applied.at(-1)?.dropped).toEqual({ roles: [], databases: ['shop'] });
    await client().deleteProjectBranchRole(projectId, branchId, 'ann');
    await settled(projectId);
    expect(host.applied.at(-1)?.dropped).toEqual({ roles: ['ann'], databases: [] });
    expect((await client().deleteProjectBranchRole(projectId, branchId, 'ann')).status).toBe(204);
    expect((await client().deleteProjectBranchDatabase(projectId, branchId, 'shop')).status).toBe(204);
    expect((await client().listProjectBranchRoles(projectId, branchId)).data.roles).toHaveLength(1);
  });

  it('are refused when a name is taken, reserved, too long, or the owner is unknown', async () => {
    const { projectId, branchId } = await project();
    const role = (name: string) => failure(client().createProjectBranchRole(projectId, branchId, { role: { name } }));
    expect(await role('neondb_owner')).toMatchObject({ status: 409 });
    for (const name of ['pg_mine', 'cloud_admin', 'public', 'x'.repeat(64), ''])
      expect(await role(name)).toMatchObject({ status: 400 });
    const database = (name: string, owner_name: string) =>
      failure(client().createProjectBranchDatabase(projectId, branchId, { database: { name, owner_name } }));
    expect(await database('neondb', 'neondb_owner')).toMatchObject({ status: 409 });
    expect(await database('template0', 'neondb_owner')).toMatchObject({ status: 400 });
    expect(await database('mine', 'nobody')).toMatchObject({ status: 404 });
  });

  it('wait for the next start when the compute sleeps', async () => {
    const { projectId, branchId, endpointId } = await project();
    await client().suspendProjectEndpoint(projectId, endpointId);
    await settled(projectId);
    const { data } = await client().createProjectBranchRole(projectId, branchId, { role: { name: 'late' } });
    expect(data.operations).toMatchObject([{ action: 'apply_config', status: 'skipped' }]);
    await bus.request(wakeEndpoint, { endpointId });
    expect(host.starts.at(-1)?.roles.map(({ name }) => name)).toContain('late');
  });
});

describe('endpoints', () => {
  it('are suspended, started, restarted, changed and deleted', async () => {
    const { projectId, branchId, endpointId } = await project();
    const state = async () => (await client().getProjectEndpoint(projectId, endpointId)).data.endpoint.current_state;
    const suspended = await client().suspendProjectEndpoint(projectId, endpointId);
    expect(suspended.data.operations).toMatchObject([{ action: 'suspend_compute', endpoint_id: endpointId }]);
    await settled(projectId);
    expect(await state()).toBe('idle');
    await client().startProjectEndpoint(projectId, endpointId);
    await settled(projectId);
    expect(await state()).toBe('active');
    const restarted = await client().restartProjectEndpoint(projectId, endpointId);
    expect(restarted.data.operations.map(({ action }) => action)).toEqual(['suspend_compute', 'start_compute']);
    await settled(projectId);
    const changed = await client().updateProjectEndpoint(projectId, endpointId, {
      endpoint: { suspend_timeout_seconds: -1 },
    });
    expect(changed.data.endpoint.suspend_timeout_seconds).toBe(-1);
    expect(
      await failure(client().createProjectEndpoint(projectId, { endpoint: { branch_id: branchId, type: READ_WRITE } })),
    ).toMatchObject({
      status: 409,
    });
    const deleted = await client().deleteProjectEndpoint(projectId, endpointId);
    expect(deleted.data.operations.map(({ action }) => action)).toEqual(['suspend_compute']);
    await settled(projectId);
    expect((await client().deleteProjectEndpoint(projectId, endpointId)).status).toBe(204);
    const again = await client().createProjectEndpoint(projectId, {
      endpoint: { branch_id: branchId, type: READ_WRITE },
    });
    expect(again.status).toBe(201);
    await settled(projectId);
    expect((await client().listProjectBranchEndpoints(projectId, branchId)).data.endpoints).toMatchObject([
      { id: again.data.endpoint.id, current_state: 'active' },
    ]);
  });

  it('fall asleep after their time-out without clients, and not before', async () => {
    const { projectId, endpointId } = await project();
    const compute = host.running.get(endpointId);
    if (compute === undefined) throw new Error('it does not run');
    // A client that stays for a while.
    compute.lastActiveAt = Date.now() + 3_600_000;
    await client().updateProjectEndpoint(projectId, endpointId, { endpoint: { suspend_timeout_seconds: 1 } });
    await sleep(2_000);
    expect(host.running.has(endpointId)).toBe(true);
    compute.lastActiveAt = Date.now();
    await until(() => !host.running.has(endpointId));
    const suspended = { action: 'suspend_compute', endpoint_id: endpointId, status: 'finished' };
    // The host may have ended it before the operation shows.
    await until(async () => (await settled(projectId)).at(-1)?.action === suspended.action);
    expect((await settled(projectId)).at(-1)).toMatchObject(suspended);
  });
});

describe('what proxies ask', () => {
  it('who may come in', async () => {
    const { projectId, branchId, endpointId } = await project();
    await client().updateProject(projectId, { project: { settings: { allowed_ips: { ips: ['10.0.0.0/8'] } } } });
    const known = await bus.request(authenticateEndpoint, { endpointId, role: 'neondb_owner' });
    expect(known).toMatchObject({ projectId, branchId, allowedIps: ['10.0.0.0/8'] });
    expect(known.verifier).toMatch(/^SCRAM-SHA-256\$4096:/);
    expect(await bus.request(authenticateEndpoint, { endpointId, role: 'nobody' })).toMatchObject({ verifier: null });
    await expect(bus.request(authenticateEndpoint, { endpointId: 'ep-no-where-1', role: 'x' })).rejects.toMatchObject({
      code: 'EndpointNotFound',
    });
  });

  it('where to go: at once when it runs, after one start when it sleeps, however many ask', async () => {
    const { projectId, endpointId } = await project();
    expect(await bus.request(wakeEndpoint, { endpointId })).toEqual({
      computeId: endpointId,
      host: '127.0.0.1',
      port: 6000,
      coldStart: false,
    });
    await client().suspendProjectEndpoint(projectId, endpointId);
    await settled(projectId);
    const before = host.starts.length;
    const answers = await Promise.all(Array.from({ length: 20 }, () => bus.request(wakeEndpoint, { endpointId })));
    // Who is heard only after the start finds a compute that runs.
    expect(answers.some(({ coldStart }) => coldStart)).toBe(true);
    expect(new Set(answers.map(({ port }) => port))).toEqual(new Set([6000]));
    expect(host.starts).toHaveLength(before + 1);
  });

  it('a start that fails is told to who waits, shown in the API, and tried again by the next client', async () => {
    const { projectId, endpointId } = await project();
    await client().suspendProjectEndpoint(projectId, endpointId);
    await settled(projectId);
    host.refuse = new Refusal('TimelineStopped', 'cannot apply GIST record at 0/1234');
    await expect(bus.request(wakeEndpoint, { endpointId })).rejects.toMatchObject({
      code: 'TimelineStopped',
      message: 'cannot apply GIST record at 0/1234',
    });
    const message = 'cannot apply GIST record at 0/1234';
    await until(async () =>
      (await settled(projectId)).some((each) => each.status === 'failed' && each.error === message),
    );
    host.refuse = null;
    expect(await bus.request(wakeEndpoint, { endpointId })).toMatchObject({ coldStart: true });
  });

  it('a compute that crashed is started again by the next client', async () => {
    const { projectId, endpointId } = await project();
    await host.crash(endpointId);
    await until(
      async () => (await client().getProjectEndpoint(projectId, endpointId)).data.endpoint.current_state === 'idle',
    );
    expect(await bus.request(wakeEndpoint, { endpointId })).toMatchObject({ coldStart: true });
  });
});

describe('a restart of the control plane', () => {
  it('continues what was under way and keeps what was known', async () => {
    const release = hold(host);
    const before = storage.requests.length;
    const { data } = await client().createProject({ project: { name: 'interrupted' } });
    await until(() => storage.requests.slice(before).some((request) => request.includes('safekeeper-1 PUT')));
    await node.close();
    node = await startControlPlane(config, watchedLogger());
    release();
    expect((await settled(data.project.id)).map(({ status }) => status)).toEqual(['finished', 'finished']);
    expect((await client().getProject(data.project.id)).data.project.name).toBe('interrupted');
  });
});

describe('events', () => {
  it('reach JetStream once each', async () => {
    const created: string[] = [];
    const started: string[] = [];
    await bus.consume(projectCreated, {
      durable: 'spec-p',
      handler: ({ projectId }) => Promise.resolve(void created.push(projectId)),
    });
    await bus.consume(endpointStarted, {
      durable: 'spec-e',
      handler: ({ endpointId }) => Promise.resolve(void started.push(endpointId)),
    });
    const { projectId, endpointId } = await project('announced');
    await until(() => created.includes(projectId) && started.includes(endpointId));
    expect(new Set(created).size).toBe(created.length);
  });
});

describe('the edge', () => {
  const raw = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${node.httpPort}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...(init.headers ?? {}) },
    });

  it('lets nobody in without a valid key, and a revoked one no more', async () => {
    expect(await failure(client('wrong').listProjects({}))).toMatchObject({ status: 401 });
    const { data } = await client().createApiKey({ key_name: 'mine' });
    expect((await client(data.key).listProjects({})).status).toBe(200);
    expect((await client().listApiKeys()).data[0]).toMatchObject({ id: data.id, name: 'mine' });
    expect((await client().revokeApiKey(data.id)).data).toMatchObject({ id: data.id, revoked: true });
    expect(await failure(client(data.key).listProjects({}))).toMatchObject({
      status: 401,
      body: { code: 'UNAUTHORIZED' },
    });
  });

  it('says what is wrong with a request, naming the field', async () => {
    const post = async (body: string) => {
      const response = await raw('/api/v2/projects', { method: 'POST', body });
      return { status: response.status, ...((await response.json()) as { code: string; message: string }) };
    };
    expect(await post('{"project": ')).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    expect(await post('{}')).toMatchObject({ status: 400, message: expect.stringContaining('project:') });
    expect(await post('{"project":{"name":7}}')).toMatchObject({
      status: 400,
      message: expect.stringContaining('project.name:'),
    });
    expect(await post(`{"project":{"name":"${'x'.repeat(65)}"}}`)).toMatchObject({ status: 400 });
    expect(await post('{"project":{"pg_version":9}}')).toMatchObject({ status: 400 });
    expect(await post('{"project":{"pg_version":16}}')).toMatchObject({
      status: 422,
      message: 'project.pg_version: this installation has Postgres 17',
    });
    expect(await post('{"project":{"settings":{"quota":{}}}}')).toMatchObject({
      status: 501,
      message: 'project.settings.quota: not implemented',
    });
  });

  it('names what it does not do, and does not know what does not exist', async () => {
    const known = await raw('/api/v2/projects/a-b-1/snapshots');
    expect([known.status, await known.json()]).toEqual([
      501,
      { code: 'NOT_IMPLEMENTED', message: 'listSnapshots is not implemented', request_id: expect.any(String) },
    ]);
    expect((await raw('/api/v2/nothing')).status).toBe(404);
    const own = await raw('/api/v2/projects', { headers: { 'x-request-id': 'my-request' } });
    expect(own.headers.get('x-neon-ret-request-id')).toBe('my-request');
  });

  it('tells a stored row that does not parse as its own error, and logs it, not as a mistake of whoever asks', async () => {
    const { projectId } = await project('unreadable');
    const settings = `(SELECT default_endpoint_settings FROM projects WHERE id = '${projectId}')`;
    const [kept] = await rowsOf(`SELECT ${settings} AS settings`);
    await rowsOf(`UPDATE projects SET default_endpoint_settings = '7' WHERE id = '${projectId}'`);
    const answer = await raw(`/api/v2/projects/${projectId}`, { headers: { 'x-request-id': 'unreadable-row' } });
    await rowsOf(
      `UPDATE projects SET default_endpoint_settings = '${JSON.stringify(kept?.['settings'])}' WHERE id = '${projectId}'`,
    );
    expect([answer.status, await answer.json()]).toMatchObject([
      500,
      { code: 'INTERNAL', request_id: 'unreadable-row' },
    ]);
    expect(errors.filter(({ requestId }) => requestId === 'unreadable-row')).toHaveLength(1);
  });

  it('documents itself, and says whether it is well', async () => {
    const document = (await (await raw('/api/v2/openapi.json')).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    expect(document.paths['/api/v2/projects/{project_id}/branches']).toMatchObject({
      post: { operationId: 'createProjectBranch', responses: { 201: {} } },
      get: { operationId: 'listProjectBranches' },
    });
    expect((await raw('/docs')).status).toBe(200);
    expect((await raw('/healthz')).status).toBe(200);
    expect(await (await raw('/metrics')).text()).toContain('neon_control_plane_http_seconds_count');
  });

  it('answers who is asking and where', async () => {
    expect((await client().getCurrentUserInfo()).data.plan).toBe('self-hosted');
    expect((await client().getActiveRegions({})).data.regions).toMatchObject([
      { region_id: 'aws-us-east-2', default: true },
    ]);
    expect((await client().getCurrentUserOrganizations()).data.organizations).toEqual([]);
    expect((await client().listSharedProjects({})).data.projects).toEqual([]);
  });
});
