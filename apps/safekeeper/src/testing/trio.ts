/** Three safekeepers in this process, with one timeline on all of them, and what reads and writes it: for tests. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_TIMING, Membership, type TimelineIdentity } from '@neon/consensus';
import { Lsn, SafekeeperId } from '@neon/kernel';
import { TimelineDetail } from '@neon/safekeeper-contract';
import { UNLIMITED } from '@neon/safekeeper-core';
import { createLogger } from '@neon/telemetry';
import { type RunningSafekeeper, startSafekeeper } from '../start';
import { ProposerClient } from './proposer-client';
import { type SafekeeperPorts, type Surroundings, freePorts } from './safekeeper-process';
import { WalReader } from './wal-reader';

export const TRIO = [1, 2, 3].map((id) => SafekeeperId.of(id));

export class Trio {
  private readonly running = new Map<SafekeeperId, RunningSafekeeper>();
  /** Kept over a restart. */
  private readonly ports = new Map<SafekeeperId, SafekeeperPorts>();

  private constructor(
    private readonly surroundings: Surroundings,
    private readonly name: string,
    private readonly identity: TimelineIdentity,
  ) {}

  static async start(
    surroundings: Surroundings,
    {
      name,
      identity,
      startLsn,
    }: { readonly name: string; readonly identity: TimelineIdentity; readonly startLsn: Lsn },
  ): Promise<Trio> {
    const trio = new Trio(surroundings, name, identity);
    for (const id of TRIO) {
      await trio.start(id);
      const { incarnation } = (await trio.management(id, 'GET', '/v1/status')) as { incarnation: string };
      const { pgMajor, systemId, walSegmentSize } = identity;
      const body = { pgMajor, systemId, walSegmentSize, startLsn: Lsn.format(startLsn), incarnation };
      await trio.management(id, 'PUT', trio.path, body);
    }
    return trio;
  }

  private get path(): string {
    return `/v1/tenants/${this.identity.tenantId}/timelines/${this.identity.timelineId}`;
  }

  /** What stands in the options of a replication connection. */
  get settings(): string {
    return `-c tenant_id=${this.identity.tenantId} -c timeline_id=${this.identity.timelineId}`;
  }

  dataDir(id: SafekeeperId): string {
    return join(this.surroundings.root, `${this.name}-${id}`);
  }

  timelineDir(id: SafekeeperId): string {
    return join(this.dataDir(id), this.identity.tenantId, this.identity.timelineId);
  }

  replicationPort(id: SafekeeperId): number {
    return this.ports.get(id)?.replicationPort ?? 0;
  }

  async start(id: SafekeeperId): Promise<void> {
    const known = this.ports.get(id) ?? (await freePorts());
    const config = {
      safekeeperId: id,
      dataDir: this.dataDir(id),
      host: '127.0.0.1',
      ...known,
      nats: { servers: this.surroundings.natsUrl, token: undefined },
      tokenPublicKeyFile: join(this.surroundings.root, 'public.pem'),
      walLimits: UNLIMITED,
      diskFreeBytesMin: 0,
      unarchivedWal: 'kept' as const,
      storageTokenFile: undefined,
      objectStoreUrl: undefined,
      offloadAfterMs: Infinity,
      otlpUrl: undefined,
      logLevel: 'silent',
    };
    const safekeeper = await startSafekeeper(config, createLogger('safekeeper', 'fatal'));
    const { proposerPort, replicationPort, httpPort } = safekeeper;
    this.running.set(id, safekeeper);
    this.ports.set(id, { proposerPort, replicationPort, httpPort });
  }

  async stop(id: SafekeeperId): Promise<void> {
    await this.running.get(id)?.close();
    this.running.delete(id);
  }

  async close(): Promise<void> {
    for (const id of [...this.running.keys()]) await this.stop(id);
  }

  /** Of scope `timeline`, for this one. */
  token(): Promise<string> {
    const { tenantId, timelineId } = this.identity;
    return this.surroundings.issuer.issue({ scope: 'timeline', tenantId, timelineId });
  }

  async detail(id: SafekeeperId): Promise<TimelineDetail> {
    return TimelineDetail.parse(await this.management(id, 'GET', this.path));
  }

  async delete(id: SafekeeperId): Promise<void> {
    await this.management(id, 'DELETE', this.path);
  }

  private management(id: SafekeeperId, method: string, path: string, body?: unknown): Promise<unknown> {
    return this.surroundings.management(this.ports.get(id)?.httpPort, method, path, body);
  }

  async propose(): Promise<ProposerClient> {
    const ports = new Map([...this.ports].map(([id, { proposerPort }]) => [id, proposerPort]));
    const config = { identity: this.identity, membership: Membership.founding(1), safekeepers: TRIO };
    const whole = { ...config, token: await this.token(), timing: DEFAULT_TIMING };
    return new ProposerClient(whole, ports, async ({ startLsn, endLsn, donor, term }) => {
      const settings = `${this.settings} -c term=${term}`;
      const reader = await WalReader.open({ port: this.replicationPort(donor), settings, token: await this.token() });
      await reader.start(startLsn);
      const bytes = await reader.read(startLsn, endLsn);
      reader.close();
      return bytes;
    });
  }
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await holds()); attempt++) {
    if (attempt > 1800) throw new Error(`never: ${what}`);
    await sleep(50);
  }
}
