/**
 * What the compute hosts report, and what follows from it.
 *
 *   T1  A host that has not reported for HOST_LOST_MS is lost, and whatever ran on it counts as stopped.
 *   T2  An endpoint is suspended when its compute runs, nothing is pending, and neither a client nor a wake has touched it for
 *       the endpoint's time-out.
 *   T3  A compute that its host no longer reports has ended, unless it was started after the report could know.
 *   T4  A new compute goes to the host that last ran it when that host lives, else to the one with the fewest computes.
 */
import type { Endpoint } from '../endpoint/endpoint';

export interface ReportedCompute {
  readonly endpointId: string;
  readonly status: 'starting' | 'running' | 'stopping';
  readonly address: { readonly host: string; readonly port: number } | null;
  readonly lastActiveAt: number;
}

export interface HostReport {
  readonly hostId: string;
  readonly seenAt: number;
  readonly computes: readonly ReportedCompute[];
}

export type Hosts = ReadonlyMap<string, HostReport>;

/** Ten missed reports. */
export const HOST_LOST_MS = 10_000;
/** Hosts report every second: a start younger than this may be missing from the latest report. */
const REPORT_LAG_MS = 3_000;
/** Of endpoints whose time-out is 0. */
export const SUSPEND_TIMEOUT_SECONDS = 300;
const NEVER = -1;

export function observe(hosts: Hosts, report: HostReport): Hosts {
  return new Map(hosts).set(report.hostId, report);
}

/** Strikes one compute from the latest report of its host: news that is fresher than the report. */
export function forget(hosts: Hosts, { hostId, endpointId }: { hostId: string; endpointId: string }): Hosts {
  const report = hosts.get(hostId);
  if (report === undefined) return hosts;
  const computes = report.computes.filter((each) => each.endpointId !== endpointId);
  return new Map(hosts).set(hostId, { ...report, computes });
}

export const isAlive = (report: HostReport, now: number): boolean => now - report.seenAt < HOST_LOST_MS;

/** T1. A host not heard of is lost only when it could have been heard: reports are listened to since `observingSince`. */
export function isLost(
  hostId: string,
  { hosts, observingSince }: { readonly hosts: Hosts; readonly observingSince: number },
  now: number,
): boolean {
  return now - (hosts.get(hostId)?.seenAt ?? observingSince) >= HOST_LOST_MS;
}

/** T4; null when no host is alive. */
export function pickHost(hosts: Hosts, now: number, preferred: string | null): string | null {
  const alive = [...hosts.values()].filter((report) => isAlive(report, now));
  if (alive.some(({ hostId }) => hostId === preferred)) return preferred;
  const [best] = alive.sort((a, b) => a.computes.length - b.computes.length || (a.hostId < b.hostId ? -1 : 1));
  return best?.hostId ?? null;
}

/** Whether the endpoint's compute runs, as far as can be known (T1, T3). */
export function isThere(endpoint: Endpoint, hosts: Hosts, now: number): boolean {
  if (endpoint.compute.status !== 'active') return false;
  const { location, startedAt } = endpoint.compute;
  const report = hosts.get(location.hostId);
  if (report === undefined) return now - startedAt < REPORT_LAG_MS;
  if (!isAlive(report, now)) return false;
  const found = report.computes.find(({ endpointId }) => endpointId === endpoint.endpointId);
  if (found === undefined) return report.seenAt - startedAt < REPORT_LAG_MS;
  return found.status !== 'stopping';
}

/** T2. @param wokenAt when a client last asked for each endpoint */
export function idleEndpoints(
  { endpoints, hosts, wokenAt }: { endpoints: readonly Endpoint[]; hosts: Hosts; wokenAt: ReadonlyMap<string, number> },
  now: number,
): readonly Endpoint[] {
  return endpoints.filter((endpoint) => {
    const { compute, pending, settings, endpointId } = endpoint;
    if (compute.status !== 'active' || pending !== null || settings.suspendTimeoutSeconds === NEVER) return false;
    const reported = hosts
      .get(compute.location.hostId)
      ?.computes.find((each) => each.endpointId === endpointId && each.status === 'running');
    if (reported === undefined) return false;
    const timeoutMs = 1000 * (settings.suspendTimeoutSeconds || SUSPEND_TIMEOUT_SECONDS);
    const lastUsedAt = Math.max(reported.lastActiveAt, compute.startedAt, wokenAt.get(endpointId) ?? 0);
    return now - lastUsedAt >= timeoutMs;
  });
}

export interface Ended {
  readonly endpoint: Endpoint;
  readonly hostId: string;
  readonly reason: 'host-lost' | 'crashed';
}

/** Endpoints that are active by the books and whose compute is gone (T1, T3). */
export function endedEndpoints(
  { endpoints, hosts, observingSince }: { endpoints: readonly Endpoint[]; hosts: Hosts; observingSince: number },
  now: number,
): readonly Ended[] {
  return endpoints.flatMap((endpoint): Ended[] => {
    if (endpoint.compute.status !== 'active' || endpoint.pending !== null) return [];
    const { location, startedAt } = endpoint.compute;
    const report = hosts.get(location.hostId);
    if (isLost(location.hostId, { hosts, observingSince }, now) && now - startedAt >= HOST_LOST_MS)
      return [{ endpoint, hostId: location.hostId, reason: 'host-lost' }];
    if (report === undefined || isThere(endpoint, hosts, now)) return [];
    return [{ endpoint, hostId: location.hostId, reason: 'crashed' }];
  });
}

export interface Stray {
  readonly hostId: string;
  readonly endpointId: string;
  readonly address: { readonly host: string; readonly port: number };
}

/** Running computes that the books do not know of: what a crash between a start and its recording leaves behind. */
export function strayComputes(
  { endpoints, hosts }: { endpoints: ReadonlyMap<string, Endpoint | null>; hosts: Hosts },
  now: number,
): readonly Stray[] {
  return [...hosts.values()]
    .filter((report) => isAlive(report, now))
    .flatMap(({ hostId, computes }) =>
      computes.flatMap(({ endpointId, status, address }): Stray[] => {
        if (status !== 'running' || address === null) return [];
        const endpoint = endpoints.get(endpointId) ?? null;
        const known =
          endpoint !== null &&
          endpoint.life !== 'deleted' &&
          (endpoint.pending !== null ||
            (endpoint.compute.status === 'active' && endpoint.compute.location.hostId === hostId));
        return known ? [] : [{ hostId, endpointId, address }];
      }),
    );
}
