/**
 * Where pageservers and safekeepers are.
 *
 *   N1  A node that ever reported stays known, at its last address: the members of a quorum do not shrink because one of them
 *       is away while this process starts.
 *   N2  A changed address is written down before it is used.
 *   N3  `onSafekeeper` hears of every report of a safekeeper, unasked or asked for, and whether it is new or has moved.
 */
import { type Member, MemberRecord } from '@neon/consensus';
import { KnownSafekeepers } from '@neon/control-plane-core';
import { Refusal, Unavailable } from '@neon/kernel';
import { PageserverAlive } from '@neon/pageserver-contract';
import { SafekeeperAlive, SafekeeperStatus } from '@neon/safekeeper-contract';
import { isDeepStrictEqual } from 'node:util';
import type { Database } from '../database/database';
import { unavailable } from '../database/unavailable';
import type { ManagementClient } from './management-client';

/** Safekeepers report every two seconds. */
const ALIVE_MS = 10_000;
/** One that lives says at once who it is. */
const ASK_TIMEOUT_MS = 1_000;

export interface SeenSafekeeper extends SafekeeperAlive {
  /** Milliseconds since the Unix epoch; null when not since this process began. */
  readonly seenAt: number | null;
}

export class StorageNodes extends KnownSafekeepers {
  private readonly seenAt = new Map<number, number>();
  private readonly pageservers = new Map<number, PageserverAlive>();
  private readonly safekeepers = new Map<number, SafekeeperAlive>();

  onSafekeeper: (safekeeperId: number, change: { readonly moved: boolean }) => void = () => undefined;

  constructor(
    private readonly database: Database,
    private readonly client: ManagementClient,
  ) {
    super();
  }

  async load(): Promise<void> {
    for (const { kind, address } of await unavailable(this.database.storageNode.findMany())) {
      if (kind === 'pageserver') this.addPageserver(PageserverAlive.parse(address));
      else this.addSafekeeper(SafekeeperAlive.parse(address));
    }
  }

  /** @returns whether it is new or has moved */
  async pageserverAlive(alive: PageserverAlive): Promise<boolean> {
    if (isDeepStrictEqual(this.pageservers.get(alive.pageserverId), alive)) return false;
    await this.write('pageserver', alive.pageserverId, alive);
    this.addPageserver(alive);
    return true;
  }

  async safekeeperAlive(alive: SafekeeperAlive): Promise<void> {
    const { safekeeperId } = alive;
    this.seenAt.set(safekeeperId, Date.now());
    const moved = !isDeepStrictEqual(this.safekeepers.get(safekeeperId), alive);
    if (moved) await this.write('safekeeper', safekeeperId, alive);
    this.addSafekeeper(alive);
    this.onSafekeeper(safekeeperId, { moved });
  }

  override async ask(safekeeperIds: readonly number[]): Promise<readonly number[]> {
    const answers = await Promise.all(safekeeperIds.map((id) => this.askOne(id)));
    return safekeeperIds.filter((_, index) => answers[index]);
  }

  private async askOne(safekeeperId: number): Promise<boolean> {
    const known = this.safekeepers.get(safekeeperId);
    if (known === undefined) return false;
    const request = { method: 'GET', path: '/v1/status', timeoutMs: ASK_TIMEOUT_MS } as const;
    const status = await this.client.call(known, request, SafekeeperStatus).catch(() => undefined);
    // Another one may have its address by now.
    if (status?.id !== safekeeperId) return false;
    await this.safekeeperAlive({ ...known, incarnation: status.incarnation });
    return true;
  }

  /** The one for the next project. @throws Unavailable when none ever reported */
  choosePageserver(): number {
    const [id] = [...this.pageservers.keys()].sort((a, b) => a - b);
    if (id === undefined) throw new Unavailable('no pageserver has reported yet');
    return id;
  }

  /** Those that report now before others. @throws Unavailable when fewer ever reported */
  chooseSafekeepers(count: number): readonly number[] {
    const isAway = (id: number): number => (this.isAlive(id) ? 0 : 1);
    const ids = [...this.safekeepers.keys()].sort((a, b) => isAway(a) - isAway(b) || a - b).slice(0, count);
    if (ids.length < count) throw new Unavailable(`${ids.length} of ${count} safekeepers have reported yet`);
    return ids;
  }

  pageserver(id: number): PageserverAlive {
    const found = this.pageservers.get(id);
    if (found === undefined) throw new Unavailable(`pageserver ${id} has not reported yet`);
    return found;
  }

  safekeeper(id: number): SafekeeperAlive {
    const found = this.safekeepers.get(id);
    if (found === undefined) throw new Unavailable(`safekeeper ${id} has not reported yet`);
    return found;
  }

  get allSafekeepers(): readonly SeenSafekeeper[] {
    return [...this.safekeepers.values()]
      .map((each) => ({ ...each, seenAt: this.seenAt.get(each.safekeeperId) ?? null }))
      .sort((a, b) => a.safekeeperId - b.safekeeperId);
  }

  override member(safekeeperId: number): Member {
    const found = this.safekeepers.get(safekeeperId);
    if (found === undefined) throw new Refusal('SafekeeperUnknown', `safekeeper ${safekeeperId} has never reported`);
    return MemberRecord.parse(found);
  }

  override isAlive(safekeeperId: number): boolean {
    return Date.now() - (this.seenAt.get(safekeeperId) ?? 0) < ALIVE_MS;
  }

  private addPageserver = (alive: PageserverAlive): void => void this.pageservers.set(alive.pageserverId, alive);
  private addSafekeeper = (alive: SafekeeperAlive): void => void this.safekeepers.set(alive.safekeeperId, alive);

  private async write(kind: string, id: number, address: PageserverAlive | SafekeeperAlive): Promise<void> {
    const key = { kind_id: { kind, id } };
    await unavailable(
      this.database.storageNode.upsert({ where: key, create: { kind, id, address }, update: { address } }),
    );
  }
}
