/** One timeline on safekeeper processes, as its compute, its pageserver and its operator see it: for tests. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_TIMING, Membership } from '@neon/consensus';
import { Lsn, SafekeeperId, TenantId, TimelineId } from '@neon/kernel';
import { SafekeeperStatus, TimelineDetail } from '@neon/safekeeper-contract';
import { ProposerClient } from './proposer-client';
import type { RealWal } from './real-wal';
import type { SafekeeperProcess, Surroundings } from './safekeeper-process';
import { WalReader } from './wal-reader';

export const TENANT = TenantId.parse('aa'.repeat(16));
export const TIMELINE = TimelineId.parse('bb'.repeat(16));
export const SEGMENT_SIZE = 16 * 1024 * 1024;
const PATH = `/v1/tenants/${TENANT}/timelines/${TIMELINE}`;

export class TimelineClient {
  constructor(
    private readonly surroundings: Surroundings,
    private readonly wal: RealWal,
  ) {}

  management(of: SafekeeperProcess, method: string, path: string, body?: unknown): Promise<unknown> {
    return this.surroundings.management(of.ports.httpPort, method, path, body);
  }

  async create(of: SafekeeperProcess): Promise<void> {
    const { incarnation } = SafekeeperStatus.parse(await this.management(of, 'GET', '/v1/status'));
    const { pgMajor, systemId, startLsn } = this.wal;
    const body = { pgMajor, systemId, walSegmentSize: SEGMENT_SIZE, startLsn: Lsn.format(startLsn), incarnation };
    await this.management(of, 'PUT', PATH, body);
  }

  async delete(of: SafekeeperProcess): Promise<void> {
    await this.management(of, 'DELETE', PATH);
  }

  async detail(of: SafekeeperProcess): Promise<TimelineDetail> {
    return TimelineDetail.parse(await this.management(of, 'GET', PATH));
  }

  async propose(to: readonly SafekeeperProcess[]): Promise<ProposerClient> {
    const token = await this.surroundings.issuer.issue({ scope: 'timeline', tenantId: TENANT, timelineId: TIMELINE });
    const { pgMajor, systemId } = this.wal;
    const identity = { tenantId: TENANT, timelineId: TIMELINE, pgMajor, systemId, walSegmentSize: SEGMENT_SIZE };
    const safekeepers = to.map((_, index) => SafekeeperId.of(index + 1));
    const config = { identity, membership: Membership.founding(1), safekeepers, token, timing: DEFAULT_TIMING };
    const ports = new Map(to.map((each, index) => [SafekeeperId.of(index + 1), each.ports.proposerPort]));
    // Its Postgres has all of it.
    return new ProposerClient(config, ports, ({ startLsn, endLsn }) =>
      Promise.resolve(this.wal.bytes.subarray(startLsn - this.wal.startLsn, endLsn - this.wal.startLsn)),
    );
  }

  /** A pageserver that begins at `startLsn`. */
  async reader(of: SafekeeperProcess, startLsn = this.wal.startLsn): Promise<WalReader> {
    const opened = await WalReader.open({
      port: of.ports.replicationPort,
      settings: `-c tenant_id=${TENANT} -c timeline_id=${TIMELINE}`,
      token: await this.surroundings.issuer.issue({ scope: 'storage' }),
    });
    await opened.start(startLsn);
    return opened;
  }

  /** A fresh pageserver gets everything from the first byte on. */
  async readsEverything(of: SafekeeperProcess): Promise<boolean> {
    const reader = await this.reader(of);
    const bytes = await reader.read(this.wal.startLsn, this.wal.endLsn);
    reader.close();
    return bytes.equals(this.wal.bytes);
  }

  /** All of it written, as far as it is not there yet, and known everywhere to be committed. */
  async write(to: readonly SafekeeperProcess[]): Promise<void> {
    const proposer = await this.propose(to);
    const startLsn = await proposer.recovered();
    await proposer.write(startLsn, this.wal.bytes.subarray(startLsn - this.wal.startLsn));
    await proposer.committed(this.wal.endLsn);
    const endLsn = Lsn.format(this.wal.endLsn);
    for (const each of to) while ((await this.detail(each)).commitLsn !== endLsn) await sleep(20);
    proposer.close();
  }
}
