/**
 * Deletions of timelines that safekeepers have not confirmed yet.
 *
 *   D1  Whoever may hold something of a timeline is written down before it is asked, and struck off when it has confirmed. So what was
 *       deleted goes everywhere: a safekeeper that is away, however long, and whatever becomes of this process, is asked when it
 *       reports again.
 *       Another one that answers at its address has confirmed nothing.
 *   D2  One that reports and fails is asked again after a while, and holds up nobody else.
 */
import type { BranchAddress } from '@neon/control-plane-core';
import { type Clock, Unavailable } from '@neon/kernel';
import type { Database } from '../database/database';
import { unavailable } from '../database/unavailable';
import { type ManagementClient, ignoringMissing } from './management-client';
import { pathOf } from './storage-ids';
import type { StorageNodes } from './storage-nodes';

export interface PendingDeletion {
  readonly address: BranchAddress;
  readonly safekeeperId: number;
}

export interface TimelineDeletionsOptions {
  readonly database: Database;
  readonly nodes: StorageNodes;
  readonly client: ManagementClient;
  readonly clock: Clock;
  /** Told again when it is another fault. */
  readonly onFault: (error: unknown, pending: PendingDeletion) => void;
}

interface Pending extends PendingDeletion {
  readonly dueAt: number;
  readonly fault: string | undefined;
}

/** As for former members: nobody waits. */
const RETRY_MS = 30_000;
const DELETIONS_AT_ONCE = 4;

export class TimelineDeletions {
  private readonly pending = new Map<string, Pending>();

  constructor(private readonly options: TimelineDeletionsOptions) {}

  /** What earlier processes left open. */
  async load(): Promise<void> {
    for (const { branchId, safekeeperId, projectId } of await unavailable(
      this.options.database.timelineDeletion.findMany(),
    ))
      this.add({ address: { projectId, branchId }, safekeeperId });
  }

  /** Those that could be asked, and have not confirmed. */
  get count(): number {
    return [...this.pending.values()].filter((each) => this.isAlive(each)).length;
  }

  /** D1. */
  async owe(address: BranchAddress, safekeeperIds: readonly number[]): Promise<void> {
    const data = safekeeperIds.map((safekeeperId) => ({ ...address, safekeeperId }));
    await unavailable(this.options.database.timelineDeletion.createMany({ data, skipDuplicates: true }));
    for (const safekeeperId of safekeeperIds) this.add({ address, safekeeperId });
  }

  /** Asks one that was written down. @throws Unavailable, Refusal */
  async settle(pending: PendingDeletion): Promise<void> {
    const { database, nodes, client } = this.options;
    const { address, safekeeperId } = pending;
    if ((await nodes.ask([safekeeperId])).length === 0)
      throw new Unavailable(`safekeeper ${safekeeperId} does not answer`);
    await ignoringMissing(client.send(nodes.safekeeper(safekeeperId), { method: 'DELETE', path: pathOf(address) }));
    const where = { branchId: address.branchId, safekeeperId };
    await unavailable(database.timelineDeletion.deleteMany({ where }));
    this.pending.delete(keyOf(pending));
  }

  async look(): Promise<void> {
    const now = this.options.clock.now();
    const due = [...this.pending.values()].filter((each) => each.dueAt <= now && this.isAlive(each));
    const next = async (): Promise<void> => {
      for (let each = due.shift(); each !== undefined; each = due.shift()) await this.attempt(each);
    };
    await Promise.all(Array.from({ length: DELETIONS_AT_ONCE }, next));
  }

  private async attempt(pending: Pending): Promise<void> {
    try {
      await this.settle(pending);
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error);
      if (fault !== pending.fault) this.options.onFault(error, pending);
      this.pending.set(keyOf(pending), { ...pending, fault, dueAt: this.options.clock.now() + RETRY_MS });
    }
  }

  private add(pending: PendingDeletion): void {
    this.pending.set(keyOf(pending), { ...pending, dueAt: 0, fault: undefined });
  }

  private isAlive = ({ safekeeperId }: PendingDeletion): boolean => this.options.nodes.isAlive(safekeeperId);
}

const keyOf = ({ address, safekeeperId }: PendingDeletion): string => `${address.branchId} ${safekeeperId}`;
