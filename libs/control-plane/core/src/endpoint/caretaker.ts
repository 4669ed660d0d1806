/**
 * Looks after endpoints between requests: suspends those that idle, notes those whose compute ended, and takes in or ends
 * computes that the books do not know.
 */
import type { Workshop } from '../operation/change';
import { openChain } from '../operation/open-chain';
import { SERVICE } from '../operation/operations';
import { projectDecider } from '../project/project';
import type { HostRegistry } from '../host/host-registry';
import { endedEndpoints, idleEndpoints, strayComputes } from '../host/hosts';
import type { ComputeHosts } from './compute-hosts';
import { type Endpoint, type SuspendReason, endpointDecider } from './endpoint';

/** A compute is a stray when it has been one this long: books and reports differ for a moment after every change. */
export const STRAY_AFTER_MS = 5_000;

export class Caretaker {
  /** Since when each was seen, by host and endpoint. */
  private strays = new Map<string, number>();

  constructor(
    private readonly workshop: Workshop,
    private readonly registry: HostRegistry,
    private readonly hosts: ComputeHosts,
  ) {}

  /** @param activeIds endpoints that are active by the books */
  async look(activeIds: readonly string[]): Promise<void> {
    const { handler, clock } = this.workshop;
    const { hosts, wokenAt, observingSince } = this.registry;
    const reported = [...hosts.values()].flatMap(({ computes }) => computes.map(({ endpointId }) => endpointId));
    const endpoints = new Map<string, Endpoint | null>();
    for (const id of new Set([...activeIds, ...reported])) endpoints.set(id, await handler.state(endpointDecider, id));
    const known = [...endpoints.values()].filter((endpoint) => endpoint !== null);
    const now = clock.now();
    for (const { endpoint, hostId, reason } of endedEndpoints({ endpoints: known, hosts, observingSince }, now))
      await this.ended({ hostId, endpointId: endpoint.endpointId, reason });
    for (const endpoint of idleEndpoints({ endpoints: known, hosts, wokenAt }, now)) await this.suspend(endpoint);
    const before = this.strays;
    this.strays = new Map();
    for (const { hostId, endpointId, address } of strayComputes({ endpoints, hosts }, now)) {
      const key = `${hostId}/${endpointId}`;
      const since = before.get(key) ?? now;
      this.strays.set(key, since);
      if (now - since >= STRAY_AFTER_MS)
        await this.takeIn(endpoints.get(endpointId) ?? null, { hostId, endpointId, ...address });
    }
  }

  /** A compute ended: the next connection starts another. */
  async ended(end: { hostId: string; endpointId: string; reason: SuspendReason }): Promise<void> {
    const { hostId, endpointId, reason } = end;
    this.registry.ended(hostId, endpointId);
    const endpoint = await this.workshop.handler.state(endpointDecider, endpointId);
    if (endpoint === null || endpoint.life === 'deleted') return;
    await this.workshop.handler.execute(SERVICE, (unit) =>
      unit.decide(endpointDecider, endpointId, { type: 'MarkEnded', hostId, reason }),
    );
  }

  private async suspend({ endpointId, projectId, branchId }: Endpoint): Promise<void> {
    const { handler, random, queue } = this.workshop;
    await handler.execute(SERVICE, async (unit) => {
      const endpoint = await unit.state(endpointDecider, endpointId);
      if (endpoint?.compute.status !== 'active' || endpoint.pending !== null) return;
      const project = await unit.state(projectDecider, projectId);
      // Whatever is under way with the endpoint comes first; if it idles after that, the next look finds it.
      if (project === null || project.chains.some(({ endpointIds }) => endpointIds.includes(endpointId))) return;
      await unit.decide(endpointDecider, endpointId, { type: 'RequestSuspend', reason: 'idle' });
      const steps = [{ action: 'suspend_compute', branchId, endpointId } as const];
      await openChain(unit, projectId, { scope: 'endpoint', steps, mayWait: true }, random);
    });
    queue.nudge(projectId);
  }

  /** A stray of an endpoint that sleeps becomes its compute; any other is ended. */
  private async takeIn(
    endpoint: Endpoint | null,
    stray: { hostId: string; endpointId: string; host: string; port: number },
  ): Promise<void> {
    const { hostId, endpointId, host, port } = stray;
    if (endpoint === null || endpoint.life !== 'live' || endpoint.compute.status === 'active') {
      await this.hosts.stop(hostId, endpointId);
      this.registry.ended(hostId, endpointId);
      return;
    }
    await this.workshop.handler.execute(SERVICE, async (unit) => {
      const current = await unit.state(endpointDecider, endpointId);
      if (current?.compute.status === 'active' || current?.pending !== null) return;
      const location = { hostId, host, port };
      await unit.decide(endpointDecider, endpointId, { type: 'MarkStarted', location, at: unit.now });
    });
  }
}
