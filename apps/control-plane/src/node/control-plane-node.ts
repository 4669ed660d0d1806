/**
 * The control plane as it runs: its database, its bus, what it listens to and what it does by itself. Made once per process by
 * `open`, which leaves nothing behind when it fails.
 */
import {
  Announcer,
  ApiKeys,
  BusComputeHosts,
  type Database,
  HttpAcceptors,
  type HttpAcceptorsOptions,
  HttpBranchStorage,
  ManagementClient,
  OperationRunner,
  PrismaCheckpointStore,
  PrismaEventStore,
  ReadModel,
  ReadTables,
  SealedPasswords,
  SecretBox,
  StorageCare,
  StorageNodes,
  type StoredBranch,
  SystemClock,
  SystemRandom,
  TimelineDeletions,
  TimelineMembers,
  migrate,
  openDatabase,
  persist,
  readMigrations,
} from '@neon/control-plane-adapters';
import {
  Branches,
  Caretaker,
  Catalogs,
  Endpoints,
  FormerMembers,
  FrontDoor,
  HostRegistry,
  MembershipDriver,
  Operations,
  Projects,
  SafekeeperSets,
  type Workshop,
  type World,
  projectDecider,
  readTimelineMembers,
  wantedMembersOf,
} from '@neon/control-plane-core';
import { CommandHandler, ProjectionRunner } from '@neon/event-sourcing';
import { Bus } from '@neon/messaging';
import { TokenIssuer } from '@neon/service-token';
import { type Logger, gauge } from '@neon/telemetry';
import { readFileSync } from 'node:fs';
import type { Config } from '../config';

/** A service token is used at once; this bounds what a stolen one is worth. */
const MANAGEMENT_TOKEN_SECONDS = 300;

export class ControlPlaneNode {
  private constructor(private readonly parts: Parts) {}

  static async open(config: Config, logger: Logger): Promise<ControlPlaneNode> {
    const applied = await migrate(config.databaseUrl, readMigrations(__dirname));
    if (applied.length > 0) logger.info({ migrations: applied }, 'the database was migrated');
    const database = openDatabase(config.databaseUrl);
    try {
      const bus = await Bus.connect({
        ...config.nats,
        name: 'control-plane',
        onError: (error, where) => logger.error({ err: error, where }, 'a message could not be handled'),
      });
      return new ControlPlaneNode(await assemble(config, { logger, database, bus }));
    } catch (error) {
      await database.$disconnect();
      throw error;
    }
  }

  get<K extends keyof Parts>(name: K): Parts[K] {
    return this.parts[name];
  }

  /** Resolves when everything up to `position` shows in the read tables. */
  see(position: number): Promise<void> {
    return this.parts.tables.waitFor(position);
  }

  /** @throws when the database or the bus cannot be used */
  async check(): Promise<void> {
    await this.parts.database.$queryRaw`SELECT 1`;
    if (!this.parts.bus.isConnected) throw new Error('the bus is not connected');
  }
}

export type Parts = Awaited<ReturnType<typeof assemble>>;

interface Basis {
  readonly logger: Logger;
  readonly database: Database;
  readonly bus: Bus;
}

async function assemble(config: Config, { logger, database, bus }: Basis) {
  const clock = new SystemClock();
  const random = new SystemRandom();
  const ambient = { clock, random };
  const store = new PrismaEventStore(database);
  const checkpoints = new PrismaCheckpointStore(database);
  const handler = new CommandHandler(store, ambient);
  const readModel = new ReadModel(database);
  const tables = new ProjectionRunner(new ReadTables(), store, checkpoints);
  const announcements = new ProjectionRunner(new Announcer(bus, handler), store, checkpoints);

  const tokens = await TokenIssuer.fromPem(readFileSync(config.tokenPrivateKeyFile, 'utf8'));
  const client = new ManagementClient(() => tokens.issue({ scope: 'management' }, MANAGEMENT_TOKEN_SECONDS));
  const nodes = new StorageNodes(database, client);
  await persist(() => nodes.load());
  const founders = new TimelineMembers(database);
  const basis = { logger, database, founders, handler, readModel, nodes, client, clock };
  const { storage, care, former, deletions } = storageOf(config, basis);
  await persist(() => deletions.load());

  const registry = new HostRegistry(clock);
  const hosts = new BusComputeHosts(bus, nodes, tokens);
  const runner = new OperationRunner(
    () => operations,
    (error, projectId) => logger.error({ err: error, projectId }, 'operations of a project cannot be carried out'),
  );
  const world = { storage, hosts, registry, onStuck: reporterOfStuck(logger) };
  const operations = new Operations(handler, world, ambient);
  const workshop: Workshop = { handler, queue: runner, ...ambient };
  const passwords = new SealedPasswords(database, new SecretBox(readFileSync(config.secretKeyFile, 'utf8')));
  const apiKeys = new ApiKeys(database, ambient);
  const firstKey = readFileSync(config.bootstrapApiKeyFile, 'utf8').trim();
  await persist(() => apiKeys.ensure(firstKey, 'bootstrap'));

  return {
    config,
    logger,
    database,
    bus,
    clock,
    handler,
    readModel,
    tables,
    announcements,
    nodes,
    founders,
    care,
    former,
    deletions,
    registry,
    runner,
    apiKeys,
    projects: new Projects(workshop, passwords),
    branches: new Branches(workshop, store, storage),
    catalogs: new Catalogs(workshop, passwords),
    endpoints: new Endpoints(workshop),
    safekeeperSets: new SafekeeperSets(workshop, nodes),
    frontDoor: new FrontDoor(workshop, registry),
    caretaker: new Caretaker(workshop, registry, hosts),
  };
}

interface StorageBasis {
  readonly logger: Logger;
  readonly database: Database;
  readonly founders: TimelineMembers;
  readonly handler: CommandHandler;
  readonly readModel: ReadModel;
  readonly nodes: StorageNodes;
  readonly client: ManagementClient;
  readonly clock: SystemClock;
}

interface Storage {
  readonly storage: HttpBranchStorage;
  readonly care: StorageCare;
  readonly former: FormerMembers;
  readonly deletions: TimelineDeletions;
}

/** Branches as timelines, and what keeps them with their safekeepers. */
function storageOf(config: Config, basis: StorageBasis): Storage {
  const { logger, founders, handler, readModel, nodes, client, clock } = basis;
  const deletions = deletionsOf(basis);
  const storage = new HttpBranchStorage(nodes, founders, client, {
    deletions,
    safekeeperCount: config.safekeeperCount,
    membersOf: (address) => readTimelineMembers(handler, address),
    onIncomplete: (address, safekeeperIds) => {
      logger.warn({ ...address, safekeeperIds }, 'safekeepers were away when a branch was made: they get it later');
      care.incomplete();
    },
    onLost: (address, safekeeperId, reason) =>
      logger.error({ ...address, safekeeperId, reason }, 'a safekeeper lost a branch: it stays out of it'),
  });
  gauge(
    {
      component: 'control-plane',
      name: 'neon_control_plane_lost_timeline_members',
      description: 'Safekeepers that lost a branch which they had, counted for each branch',
    },
    () => storage.lostCount,
  );
  const announce: HttpAcceptorsOptions['announce'] = async (address, safekeeperIds) => {
    const project = await handler.state(projectDecider, address.projectId);
    if (project?.placement != null) await storage.tellPageserver(address, project.placement, safekeeperIds);
  };
  const acceptors = new HttpAcceptors({ nodes, members: founders, client, announce });
  const former = formerMembersOf(acceptors, basis);
  const care = new StorageCare({
    storage,
    driver: new MembershipDriver(handler, acceptors),
    former,
    clock,
    branches: () => storedBranches(readModel, handler),
    onFault: (error, address) =>
      logger.warn({ err: error, ...address }, 'a branch could not be brought to its safekeepers'),
  });
  gauge(
    {
      component: 'control-plane',
      name: 'neon_control_plane_incomplete_branches',
      description: 'Branches that could not be brought to all their safekeepers when that was tried last',
    },
    () => care.incompleteCount,
  );
  return { storage, care, former, deletions };
}

function formerMembersOf(acceptors: HttpAcceptors, { logger, handler, nodes, clock }: StorageBasis): FormerMembers {
  const former = new FormerMembers({
    handler,
    acceptors,
    safekeepers: nodes,
    clock,
    onRemoved: ({ address, member, generation }) =>
      logger.info({ ...address, ...member, generation }, 'a former member removed what it had of a branch'),
    onFault: (error, { address, member, generation }) =>
      logger.warn(
        { err: error, ...address, ...member, generation },
        'a former member could not remove what it has of a branch: it is asked again',
      ),
  });
  gauge(
    {
      component: 'control-plane',
      name: 'neon_control_plane_former_members',
      description: 'Former members that report and have not removed yet what they have, counted for each branch',
    },
    () => former.count,
  );
  return former;
}

function deletionsOf({ logger, database, nodes, client, clock }: StorageBasis): TimelineDeletions {
  const deletions = new TimelineDeletions({
    database,
    nodes,
    client,
    clock,
    onFault: (error, { address, safekeeperId }) =>
      logger.warn({ err: error, ...address, safekeeperId }, 'a deletion fails at a safekeeper: it is asked again'),
  });
  gauge(
    {
      component: 'control-plane',
      name: 'neon_control_plane_unconfirmed_deletions',
      description: 'Deleted branches that a safekeeper which reports has not deleted yet, counted for each safekeeper',
    },
    () => deletions.count,
  );
  return deletions;
}

const reporterOfStuck =
  (logger: Logger): World['onStuck'] =>
  ({ operationId, projectId, branchId, action }, error) =>
    logger.error({ operationId, projectId, branchId, action, error }, 'a deletion is refused, and tried again');

async function storedBranches(readModel: ReadModel, handler: CommandHandler): Promise<readonly StoredBranch[]> {
  const stored: StoredBranch[] = [];
  for (const { id: branchId, projectId } of await readModel.readyBranches()) {
    const project = await handler.state(projectDecider, projectId);
    if (project?.placement == null) continue;
    const address = { projectId, branchId };
    const members = await readTimelineMembers(handler, address);
    stored.push({ address, placement: project.placement, members, wanted: wantedMembersOf(project) });
  }
  return stored;
}
