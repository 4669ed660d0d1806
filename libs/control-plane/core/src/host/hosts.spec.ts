import { DEFAULT_ENDPOINT_SETTINGS } from '../project/settings';
import type { Endpoint } from '../endpoint/endpoint';
import {
  HOST_LOST_MS,
  type HostReport,
  endedEndpoints,
  forget,
  idleEndpoints,
  isThere,
  pickHost,
  strayComputes,
} from './hosts';

const NOW = 1_000_000;
const address = { host: '10.0.0.1', port: 6000 };
const report = (hostId: string, seenAt: number, ...endpointIds: string[]): HostReport => ({
  hostId,
  seenAt,
  computes: endpointIds.map((endpointId) => ({ endpointId, status: 'running', address, lastActiveAt: seenAt })),
});
const hostsOf = (...reports: HostReport[]) => new Map(reports.map((each) => [each.hostId, each]));
const endpoint = (startedAt: number, suspendTimeoutSeconds = 0): Endpoint => ({
  endpointId: 'ep-1',
  projectId: 'p',
  branchId: 'br-1',
  kind: 'read_write',
  settings: { ...DEFAULT_ENDPOINT_SETTINGS, suspendTimeoutSeconds },
  disabled: false,
  life: 'live',
  compute: { status: 'active', location: { hostId: 'a', ...address }, startedAt },
  pending: null,
});

describe('hosts', () => {
  it('T4: the one that ran it before is preferred, then the one with the least to do; a lost one is not chosen', () => {
    const hosts = hostsOf(report('a', NOW, 'x', 'y'), report('b', NOW, 'z'), report('c', NOW - HOST_LOST_MS));
    expect(pickHost(hosts, NOW, null)).toBe('b');
    expect(pickHost(hosts, NOW, 'a')).toBe('a');
    expect(pickHost(hosts, NOW, 'c')).toBe('b');
    expect(pickHost(new Map(), NOW, 'a')).toBeNull();
  });

  it('T1, T3: a compute is there while its host lives and reports it, or could not report it yet', () => {
    const old = endpoint(NOW - 60_000);
    expect(isThere(old, hostsOf(report('a', NOW, 'ep-1')), NOW)).toBe(true);
    expect(isThere(old, hostsOf(report('a', NOW)), NOW)).toBe(false);
    expect(isThere(old, hostsOf(report('a', NOW - HOST_LOST_MS, 'ep-1')), NOW)).toBe(false);
    expect(isThere(old, new Map(), NOW)).toBe(false);
    expect(isThere(endpoint(NOW - 500), hostsOf(report('a', NOW)), NOW)).toBe(true);
    expect(isThere(old, forget(hostsOf(report('a', NOW, 'ep-1')), { hostId: 'a', endpointId: 'ep-1' }), NOW)).toBe(
      false,
    );
  });

  it('T1, T3: what ended is told apart from what cannot be known yet', () => {
    const ended = (reports: HostReport[], observingSince: number) =>
      endedEndpoints({ endpoints: [endpoint(NOW - 60_000)], hosts: hostsOf(...reports), observingSince }, NOW).map(
        ({ reason }) => reason,
      );
    expect(ended([report('a', NOW, 'ep-1')], 0)).toEqual([]);
    expect(ended([report('a', NOW)], 0)).toEqual(['crashed']);
    expect(ended([report('a', NOW - HOST_LOST_MS, 'ep-1')], 0)).toEqual(['host-lost']);
    expect(ended([], NOW - 1_000)).toEqual([]);
    expect(ended([], NOW - HOST_LOST_MS)).toEqual(['host-lost']);
  });
});

describe('idle endpoints', () => {
  const idle = (each: Endpoint, lastActiveAt: number, wokenAt = 0) => {
    const { computes, ...rest } = report('a', NOW, 'ep-1');
    const hosts = hostsOf({ ...rest, computes: computes.map((compute) => ({ ...compute, lastActiveAt })) });
    return idleEndpoints({ endpoints: [each], hosts, wokenAt: new Map([['ep-1', wokenAt]]) }, NOW).length === 1;
  };
  const LONG_AGO = NOW - 3_600_000;

  it('T2: are those whose time-out has passed since the last use', () => {
    expect(idle(endpoint(LONG_AGO), NOW - 300_000)).toBe(true);
    expect(idle(endpoint(LONG_AGO), NOW - 299_999)).toBe(false);
    expect(idle(endpoint(LONG_AGO, 60), NOW - 60_000)).toBe(true);
    expect(idle(endpoint(LONG_AGO, -1), LONG_AGO)).toBe(false);
  });

  it('T2: a wake and a start count as use, and a pending change comes first', () => {
    expect(idle(endpoint(LONG_AGO), LONG_AGO, NOW - 1_000)).toBe(false);
    expect(idle(endpoint(NOW - 1_000), 0)).toBe(false);
    expect(idle({ ...endpoint(LONG_AGO), pending: { to: 'active' } }, LONG_AGO)).toBe(false);
  });
});

describe('strays', () => {
  it('are computes that run where the books have none', () => {
    const strays = (each: Endpoint | null, hostId: string) =>
      strayComputes({ endpoints: new Map([['ep-1', each]]), hosts: hostsOf(report(hostId, NOW, 'ep-1')) }, NOW).length;
    expect(strays(endpoint(0), 'a')).toBe(0);
    expect(strays(endpoint(0), 'b')).toBe(1);
    expect(strays({ ...endpoint(0), compute: { status: 'idle' } }, 'a')).toBe(1);
    expect(strays({ ...endpoint(0), compute: { status: 'idle' }, pending: { to: 'active' } }, 'a')).toBe(0);
    expect(strays(null, 'a')).toBe(1);
  });
});
