/**
 * The agent's own session in its compute's Postgres: as the platform's superuser, over the private socket.
 *
 *   C1  `converge` runs only what differs between the cluster and the spec; against a converged cluster it is one query.
 *   C2  A session that broke is replaced at its next use; settings of the spec that would end or bind it do not apply to it.
 *   C3  Nothing of a customer's is run by it: names are those of `pg_catalog`.
 *   C4  A drop that Postgres refuses is told, and keeps nothing else from being done. One that was done is not done again because its answer
 *       was lost: by then there may be something new of the same name.
 */
import type { ComputeSpec } from '@neon/compute-contract';
import {
  type AccessDrop,
  type AccessState,
  type AccessStep,
  type ActivityRow,
  ACCESS_QUERY,
  ACTIVITY_QUERY,
  MAINTENANCE_DATABASE,
  PLATFORM_SUPERUSER,
  planAccess,
} from '@neon/compute-core';
import { Lsn, Refusal, Unavailable } from '@neon/kernel';
import { Client, DatabaseError } from 'pg';

export interface AdminAddress {
  readonly socketDir: string;
  readonly port: number;
}

/** Its `application_name`; more stands there while writing is slowed down. */
export const SESSION_NAME = 'neon-agent';
const CONNECT_TIMEOUT_MS = 10_000;
const UNBOUND = [
  'idle_session_timeout=0',
  'idle_in_transaction_session_timeout=0',
  'statement_timeout=0',
  'lock_timeout=0',
  'default_transaction_read_only=off',
  // Else a function of a customer's, in a schema that everybody may create in, could be run as the superuser.
  'search_path=pg_catalog',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

/** What `converge` did. */
export interface Converged {
  readonly statements: number;
  /** C4: drops that Postgres refused, and why. */
  readonly refused: readonly string[];
}

const dropKey = ({ kind, name }: Pick<AccessDrop, 'kind' | 'name'>): string => `${kind} ${name}`;

export class AdminConnection {
  /** C4: of the spec that was applied last. */
  private readonly dropped = new Set<string>();
  private isBroken = false;
  private isClosed = false;

  private constructor(
    private client: Client,
    private readonly address: AdminAddress,
  ) {
    this.watch(client);
  }

  /** @throws Unavailable */
  static async open(address: AdminAddress): Promise<AdminConnection> {
    return new AdminConnection(await openClient(address, MAINTENANCE_DATABASE), address);
  }

  /** Makes roles and databases as the spec wants. @throws Refusal `SpecRejected` */
  async converge(spec: ComputeSpec): Promise<Converged> {
    const { wanted, drops } = planAccess(await this.accessState(), spec);
    const asked = new Set([
      ...spec.dropped.roles.map((name) => dropKey({ kind: 'role', name })),
      ...spec.dropped.databases.map((name) => dropKey({ kind: 'database', name })),
    ]);
    for (const key of this.dropped) if (!asked.has(key)) this.dropped.delete(key);
    const clients = new Map([[MAINTENANCE_DATABASE, await this.session()]]);
    const refused: string[] = [];
    try {
      for (const step of wanted) await this.run(step, clients);
      for (const drop of drops) if (!this.dropped.has(dropKey(drop))) refused.push(...(await this.drop(drop, clients)));
    } finally {
      clients.delete(MAINTENANCE_DATABASE);
      await Promise.all([...clients.values()].map((client) => client.end()));
    }
    return { statements: wanted.length + drops.length, refused };
  }

  /** C4. @returns why it was refused, if it was */
  private async drop(drop: AccessDrop, clients: Map<string, Client>): Promise<readonly string[]> {
    try {
      for (const step of drop.steps) await this.run(step, clients);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return [`${drop.kind} ${drop.name} is not dropped: ${error.message}`];
    }
    this.dropped.add(dropKey(drop));
    return [];
  }

  private async accessState(): Promise<AccessState> {
    const { rows } = await (await this.session()).query<{ access: AccessState }>(ACCESS_QUERY);
    const [row] = rows;
    if (row === undefined) throw new Unavailable('no answer about roles and databases');
    return row.access;
  }

  private async run({ database, sql }: AccessStep, clients: Map<string, Client>): Promise<void> {
    const client = clients.get(database) ?? (await openClient(this.address, database));
    clients.set(database, client);
    try {
      await client.query(sql);
    } catch (error) {
      if (!(error instanceof DatabaseError))
        throw new Unavailable('the connection to Postgres broke', { cause: error });
      throw new Refusal('SpecRejected', error.message, {
        sqlState: error.code,
        statement: withoutVerifier(sql),
        database,
      });
    }
  }

  async activity(): Promise<ActivityRow> {
    const { rows } = await (await this.session()).query<ActivityRow>(ACTIVITY_QUERY);
    return rows[0] ?? { sessions: 0, busy: 0, lastChangeAt: null };
  }

  /** Up to where Postgres has written WAL. */
  async writtenLsn(): Promise<Lsn> {
    const { rows } = await (
      await this.session()
    ).query<{ lsn: string }>('SELECT pg_catalog.pg_current_wal_flush_lsn()::text AS lsn');
    return Lsn.parse(rows[0]?.lsn ?? '0/0');
  }

  /** What everybody sees of this session in pg_stat_activity. */
  async show(name: string): Promise<void> {
    await (await this.session()).query("SELECT pg_catalog.set_config('application_name', $1, false)", [name]);
  }

  /** C2. @throws Unavailable */
  private async session(): Promise<Client> {
    if (this.isClosed) throw new Unavailable('the compute is being stopped');
    if (this.isBroken) {
      const client = await openClient(this.address, MAINTENANCE_DATABASE);
      this.client = client;
      this.isBroken = false;
      this.watch(client);
    }
    return this.client;
  }

  private watch(client: Client): void {
    client.once('end', () => {
      if (this.client === client) this.isBroken = true;
    });
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.client.end().catch(() => undefined);
  }
}

async function openClient({ socketDir, port }: AdminAddress, database: string): Promise<Client> {
  const client = new Client({
    host: socketDir,
    port,
    user: PLATFORM_SUPERUSER,
    database,
    application_name: SESSION_NAME,
    options: UNBOUND,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // The server may end at any time; whoever uses the connection next sees it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (cause) {
    throw new Unavailable(`cannot connect to Postgres: ${String(cause)}`, { cause });
  }
}

const withoutVerifier = (sql: string): string => sql.replace(/PASSWORD E?'(?:[^']|'')*'/, "PASSWORD '…'");
