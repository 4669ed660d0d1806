/** Compute hosts over NATS. */
import { MembershipRecord } from '@neon/consensus';
import { ComputeHosts, type ComputeOrder, membershipOf, safekeeperIdsOf } from '@neon/control-plane-core';
import { type ComputeSpec, applySpec, startCompute, stopCompute } from '@neon/compute-contract';
import { Corrupt, Refusal, Unavailable } from '@neon/kernel';
import type { Bus } from '@neon/messaging';
import type { TokenIssuer } from '@neon/service-token';
import { tenantOf, timelineOf } from '../storage/storage-ids';
import type { StorageNodes } from '../storage/storage-nodes';

export class BusComputeHosts extends ComputeHosts {
  constructor(
    private readonly bus: Bus,
    private readonly nodes: StorageNodes,
    private readonly tokens: TokenIssuer,
  ) {
    super();
  }

  override async start(hostId: string, order: ComputeOrder): Promise<{ host: string; port: number }> {
    const spec = await this.specOf(order);
    const { address } = await reached(this.bus.request(startCompute, { spec }, { target: hostId }));
    return address;
  }

  override async apply(hostId: string, order: ComputeOrder): Promise<void> {
    const spec = await this.specOf(order);
    const { applied } = await reached(this.bus.request(applySpec, { spec }, { target: hostId }));
    // It has ended, and that is not recorded yet: then the next start applies it.
    if (!applied) throw new Unavailable('no compute of the endpoint runs on its host');
  }

  override async stop(hostId: string, endpointId: string): Promise<void> {
    await reached(this.bus.request(stopCompute, { computeId: endpointId, mode: 'fast' }, { target: hostId }));
  }

  private async specOf(order: ComputeOrder): Promise<ComputeSpec> {
    const { endpointId, projectId, branchId, pgVersion, placement, members, catalog, cluster, pgSettings } = order;
    const tenantId = tenantOf(projectId);
    const timelineId = timelineOf(branchId);
    const { generation, ...lists } = MembershipRecord.of(membershipOf(members));
    const { host, pagePort } = this.nodes.pageserver(placement.pageserverId);
    return {
      version: 1,
      computeId: endpointId,
      tenantId,
      timelineId,
      pgMajor: pgVersion,
      ...cluster,
      membershipGeneration: generation,
      ...lists,
      pageserver: { host, pagePort },
      safekeepers: safekeeperIdsOf(members).map((id) => {
        const { host, proposerPort, replicationPort } = this.nodes.safekeeper(id);
        return { id, host, proposerPort, replicationPort };
      }),
      token: await this.tokens.issue({ scope: 'timeline', tenantId, timelineId }),
      roles: catalog.roles.map(({ name, verifier }) => ({ name, verifier })),
      databases: catalog.databases.map(({ name, ownerName }) => ({ name, owner: ownerName })),
      dropped: catalog.drops,
      settings: { ...pgSettings },
    };
  }
}

/** A connection that closes in the middle of a request leaves its outcome unknown, which is as good as no answer. */
async function reached<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof Refusal || error instanceof Corrupt || error instanceof Unavailable) throw error;
    throw new Unavailable('the compute host could not be asked', { cause: error });
  }
}
