/**
 * Deletions of timelines that safekeepers have not confirmed yet.
 *
 *   D1  Whoever may hold something of a timeline is written down before it is asked, and struck off when it has confirmed. So what was
 *       deleted goes everywhere: a safekeeper that is away, however long, and whatever becomes of this process, is asked when it
 *       reports again.
 *       Another one that answers at its address has confirmed nothing.
 *   D2  Nobody waits for those that are away or fail (`Errands`).
 */
import { type BranchAddress, Errands } from '@neon/control-plane-core';
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

export class TimelineDeletions {
  private readonly errands: Errands<PendingDeletion>;

  constructor(private readonly options: TimelineDeletionsOptions) {
    const { clock, nodes, onFault } = options;
    this.errands = new Errands<PendingDeletion>({
      clock,
      keyOf,
      isAlive: ({ safekeeperId }) => nodes.isAlive(safekeeperId),
      run: (pending) => this.settle(pending),
      onFault,
    });
  }

  /** What earlier processes left open. */
  async load(): Promise<void> {
    for (const { branchId, safekeeperId, projectId } of await unavailable(
      this.options.database.timelineDeletion.findMany(),
    ))
      this.errands.add({ address: { projectId, branchId }, safekeeperId });
  }

  /** Those that could be asked, and have not confirmed. */
  get count(): number {
    return this.errands.count;
  }

  /** D1. */
  async owe(address: BranchAddress, safekeeperIds: readonly number[]): Promise<void> {
    const data = safekeeperIds.map((safekeeperId) => ({ ...address, safekeeperId }));
    await unavailable(this.options.database.timelineDeletion.createMany({ data, skipDuplicates: true }));
    for (const safekeeperId of safekeeperIds) this.errands.add({ address, safekeeperId });
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
    this.errands.done(pending);
  }

  /** D2. */
  look(): Promise<void> {
    return this.errands.look();
  }
}

const keyOf = ({ address, safekeeperId }: PendingDeletion): string => `${address.branchId} ${safekeeperId}`;
