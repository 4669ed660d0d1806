/**
 * Operations under fire: the process dies before or after any of its acts, and a new one continues from the event store.
 *
 * The world of this spec keeps what was done to it across such deaths, as storage and hosts do, and notes what must not happen:
 * two computes of one endpoint at once, or a branch on top of one that is not there.
 */
import { CommandHandler, type EventStore, MemoryEventStore, type StreamAppend } from '@neon/event-sourcing';
import { Clock, Random, Refusal, Unavailable } from '@neon/kernel';
import fc from 'fast-check';
import { type BranchAddress, BranchStorage } from '../branch/branch-storage';
import type { ClusterIdentity, Origin } from '../branch/branch';
import { branchDecider } from '../branch/branch';
import { Branches } from '../branch/branches';
import { type KeptPassword, Passwords } from '../branch/passwords';
import { Catalogs } from '../branch/catalogs';
import { ComputeHosts, type ComputeOrder } from '../endpoint/compute-hosts';
import { endpointDecider } from '../endpoint/endpoint';
import { Endpoints } from '../endpoint/endpoints';
import { FrontDoor } from '../endpoint/front-door';
import { HostRegistry } from '../host/host-registry';
import { projectDecider } from '../project/project';
import { Projects } from '../project/projects';
import type { Placement } from '../project/settings';
import type { Workshop } from './change';
import { OperationQueue } from './operation-queue';
import { Operations } from './operations';
import { operationDecider } from './operation';

class Killed extends Error {}

/** Counts acts, and dies at the one it was told to. */
class Fate {
  private count = 0;
  private dead = false;
  constructor(private deaths: readonly number[]) {}
  /** An act is before its effect and after it: two points of death. */
  async act<T>(work: () => Promise<T>): Promise<T> {
    this.pass();
    const result = await work();
    this.pass();
    return result;
  }
  /** Another process starts. */
  reboot(): void {
    this.dead = false;
  }
  /** The dead do nothing more, not even record that they failed. */
  private pass(): void {
    if (this.dead) throw new Killed('already');
    const here = this.count++;
    if (this.deaths.includes(here)) {
      this.deaths = this.deaths.filter((each) => each !== here);
      this.dead = true;
      throw new Killed(`at ${here}`);
    }
  }
}

const CLUSTER: ClusterIdentity = { systemId: '7', walSegmentSize: 16_777_216 };

class World {
  readonly branches = new Set<string>();
  readonly running = new Map<string, ComputeOrder>();
  /** Attempts that still fail, by action. */
  readonly failing = new Map<string, Error[]>();
  fail(what: string): void {
    const error = this.failing.get(what)?.shift();
    if (error !== undefined) throw error;
  }
}

class FakeStorage extends BranchStorage {
  constructor(
    private readonly world: World,
    private readonly fate: Fate,
  ) {
    super();
  }
  override place = () => Promise.resolve<Placement>({ pageserverId: 1, safekeeperIds: [1, 2, 3] });
  override checkPoint = () => Promise.resolve();
  override createRoot = ({ branchId }: BranchAddress) =>
    this.fate.act(() => {
      this.world.fail('createRoot');
      this.world.branches.add(branchId);
      return Promise.resolve(CLUSTER);
    });
  override createBranch = ({ branchId }: BranchAddress, { origin }: { placement: Placement; origin: Origin }) =>
    this.fate.act(() => {
      this.world.fail('createBranch');
      if (!this.world.branches.has(origin.parentId)) throw new Error('a branch of nothing');
      this.world.branches.add(branchId);
      return Promise.resolve({ parentLsn: '0/1', cluster: CLUSTER });
    });
  override deleteBranch = ({ branchId }: BranchAddress) =>
    this.fate.act(() => {
      this.world.branches.delete(branchId);
      return Promise.resolve();
    });
}

class FakeHosts extends ComputeHosts {
  constructor(
    private readonly world: World,
    private readonly fate: Fate,
  ) {
    super();
  }
  override start = (_hostId: string, order: ComputeOrder) =>
    this.fate.act(() => {
      this.world.fail('start');
      if (!this.world.branches.has(order.branchId)) throw new Error('a compute of nothing');
      this.world.running.set(order.endpointId, order);
      return Promise.resolve({ host: 'h', port: 1 });
    });
  override apply = (_hostId: string, order: ComputeOrder) =>
    this.fate.act(() => {
      this.world.fail('apply');
      this.world.running.set(order.endpointId, order);
      return Promise.resolve();
    });
  override stop = (_hostId: string, endpointId: string) =>
    this.fate.act(() => {
      this.world.running.delete(endpointId);
      return Promise.resolve();
    });
}

class FakePasswords extends Passwords {
  override keep = (password: string) => Promise.resolve<KeptPassword>({ verifier: `v:${password}`, secretId: 's' });
  override reveal = () => Promise.resolve(null);
}

class SilentQueue extends OperationQueue {
  override nudge = () => undefined;
  override ended = () => Promise.resolve();
}

class TestClock extends Clock {
  time = 1_000_000;
  override now = () => this.time;
}

class TestRandom extends Random {
  private state = 1;
  override bytes = (count: number) =>
    Uint8Array.from({ length: count }, () => (this.state = (this.state * 48_271) % 2_147_483_647) & 255);
}

/** Appends can be cut off, too: before they are written, or after, when the writer does not learn that they were. */
class MortalStore extends MemoryEventStore {
  fate = new Fate([]);
  override append(appends: readonly StreamAppend[]): Promise<number> {
    return this.fate.act(() => super.append(appends));
  }
}

/** One process: everything in it is lost when it dies, the store and the world are not. */
function boot(store: EventStore, world: World, fate: Fate, ambient: { clock: TestClock; random: TestRandom }) {
  const handler = new CommandHandler(store, ambient);
  const registry = new HostRegistry(ambient.clock);
  registry.report('host-1', []);
  const storage = new FakeStorage(world, fate);
  const workshop: Workshop = { handler, queue: new SilentQueue(), ...ambient };
  const passwords = new FakePasswords();
  return {
    handler,
    registry,
    operations: new Operations(
      handler,
      { storage, hosts: new FakeHosts(world, fate), registry, onStuck: () => undefined },
      ambient,
    ),
    projects: new Projects(workshop, passwords),
    branches: new Branches(workshop, store, storage),
    catalogs: new Catalogs(workshop, passwords),
    endpoints: new Endpoints(workshop),
    frontDoor: new FrontDoor(workshop, registry),
  };
}
type Process = ReturnType<typeof boot>;

/** Carries out everything that is open, through every death. */
async function settle(projectId: string, process: () => Process, clock: TestClock): Promise<void> {
  for (let round = 0; round < 200; round++) {
    try {
      const { operations } = process();
      const open = await operations.runnable(projectId);
      if (open.length === 0) return;
      for (const operation of open) clock.time += (await operations.attempt(operation)) ?? 1;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }
  throw new Error('operations do not end');
}

const BY = { actor: 'spec' };
const WISH = {
  pgVersion: 17,
  regionId: 'aws-us-east-2',
  branchName: 'main',
  roleName: 'owner',
  databaseName: 'neondb',
  storePasswords: true,
  endpointSettings: {},
};

/** A life of a project, each step carried out before the next is asked for. @returns what the world and the books say after each */
async function life(deaths: readonly number[]) {
  const store = new MortalStore();
  const world = new World();
  const ambient = { clock: new TestClock(), random: new TestRandom() };
  const fate = new Fate(deaths);
  const fresh = () => {
    fate.reboot();
    return boot(store, world, fate, ambient);
  };
  const done: unknown[] = [];
  const carryOut = async (projectId: string) => {
    store.fate = fate;
    await settle(projectId, fresh, ambient.clock);
    store.fate = new Fate([]);
    const project = await fresh().handler.state(projectDecider, projectId);
    const endpoints = await Promise.all(
      (project?.endpoints ?? []).map(({ endpointId }) => fresh().handler.state(endpointDecider, endpointId)),
    );
    done.push({
      branches: world.branches.size,
      running: world.running.size,
      open: project?.chains.length,
      states: endpoints.map((each) => [each?.compute.status, each?.pending]),
    });
  };
  const { projectId, endpointId, branchId } = await fresh().projects.create(WISH, BY);
  await carryOut(projectId);
  const point = { kind: 'head' } as const;
  const endpoints = [{ kind: 'read_write' as const, settings: {} }];
  const child = await fresh().branches.create(projectId, { point, endpoints, annotation: {} }, BY);
  await carryOut(projectId);
  await fresh().catalogs.createRole({ projectId, branchId }, { name: 'ann', login: true }, BY);
  await carryOut(projectId);
  done.push(world.running.get(endpointId)?.catalog.roles.map(({ name }) => name));
  await fresh().endpoints.restart({ projectId, endpointId }, BY);
  await carryOut(projectId);
  await fresh().branches.delete({ projectId, branchId: child.branchId }, BY);
  await carryOut(projectId);
  await fresh().projects.delete(projectId, BY);
  await carryOut(projectId);
  const statuses = new Set<string | undefined>();
  for (const { stream } of await store.readAll(0, 10_000))
    if (stream.startsWith('operation/'))
      statuses.add((await fresh().handler.state(operationDecider, stream.slice('operation/'.length)))?.status);
  return { done, statuses: [...statuses] };
}

/** A project as it is after its creation. */
async function created() {
  const ambient = { clock: new TestClock(), random: new TestRandom() };
  const world = new World();
  const process = boot(new MemoryEventStore(), world, new Fate([]), ambient);
  const made = await process.projects.create(WISH, BY);
  const carryOut = () => settle(made.projectId, () => process, ambient.clock);
  await carryOut();
  return { ...made, process, world, carryOut };
}

describe('operations', () => {
  it('of a wake end with the branch that was being deleted', async () => {
    const { projectId, process, carryOut } = await created();
    const endpoints = [{ kind: 'read_write' as const, settings: {} }];
    const child = await process.branches.create(projectId, { point: { kind: 'head' }, endpoints, annotation: {} }, BY);
    await carryOut();
    await process.branches.delete({ projectId, branchId: child.branchId }, BY);
    await process.frontDoor.wake(child.endpointIds[0] ?? '').catch(() => undefined);
    await carryOut();
    expect((await process.handler.state(projectDecider, projectId))?.chains).toEqual([]);
  });

  it('of a deletion that Postgres refuses fail, and the deletion is not tried again', async () => {
    const { projectId, branchId, process, world, carryOut } = await created();
    await process.catalogs.createRole({ projectId, branchId }, { name: 'ann', login: true }, BY);
    await carryOut();
    world.failing.set('apply', [new Refusal('DropRefused', 'role ann is not dropped: it owns something')]);
    const { operationIds } = await process.catalogs.deleteRole({ projectId, branchId }, 'ann', BY);
    await carryOut();
    const operation = await process.handler.state(operationDecider, operationIds[0] ?? '');
    expect(operation).toMatchObject({ status: 'failed', error: { code: 'DropRefused' } });
    expect((await process.handler.state(branchDecider, branchId))?.catalog.drops).toEqual({ roles: [], databases: [] });
    expect((await process.handler.state(projectDecider, projectId))?.chains).toEqual([]);
  });

  it('carry out the life of a project', async () => {
    const active = ['active', null];
    const { done, statuses } = await life([]);
    expect(done).toEqual([
      { branches: 1, running: 1, open: 0, states: [active] },
      { branches: 2, running: 2, open: 0, states: [active, active] },
      { branches: 2, running: 2, open: 0, states: [active, active] },
      ['owner', 'ann'],
      { branches: 2, running: 2, open: 0, states: [active, active] },
      { branches: 1, running: 1, open: 0, states: [active] },
      { branches: 0, running: 0, open: 0, states: [] },
    ]);
    expect(statuses).toEqual(['finished']);
  });

  it('G1, G2: end the same wherever the process is killed, however often', async () => {
    const expected = await life([]);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(80), { maxLength: 12 }), async (deaths) => {
        expect(await life(deaths)).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });
});

describe('a failing operation', () => {
  const setUp = async (failing: [string, Error[]][]) => {
    const store = new MortalStore();
    const world = new World();
    const ambient = { clock: new TestClock(), random: new TestRandom() };
    for (const [what, errors] of failing) world.failing.set(what, errors);
    const process = boot(store, world, new Fate([]), ambient);
    const created = await process.projects.create(WISH, BY);
    await settle(created.projectId, () => process, ambient.clock);
    const operations = await Promise.all(created.operationIds.map((id) => process.handler.state(operationDecider, id)));
    return { world, process, created, operations };
  };

  it('is tried again while that may help', async () => {
    const { operations } = await setUp([['createRoot', [new Unavailable('a'), new Unavailable('b')]]]);
    expect(operations.map((each) => [each?.status, each?.failuresCount])).toEqual([
      ['finished', 2],
      ['finished', 0],
    ]);
  });

  it('G3: takes the rest of its chain with it, and frees what the chain held', async () => {
    const { operations, process, created } = await setUp([['createRoot', [new Refusal('NoSpace', 'disk full')]]]);
    expect(operations.map((each) => each?.status)).toEqual(['failed', 'cancelled']);
    expect(operations[0]?.error).toEqual({ code: 'NoSpace', message: 'disk full' });
    const endpoint = await process.handler.state(endpointDecider, created.endpointId);
    expect(endpoint).toMatchObject({ compute: { status: 'init' }, pending: null });
    expect((await process.handler.state(projectDecider, created.projectId))?.chains).toEqual([]);
  });
});
