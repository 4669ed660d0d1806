import { CommandHandler, MemoryEventStore } from '@neon/event-sourcing';
import { Clock, Random } from '@neon/kernel';
import { HostRegistry } from '../host/host-registry';
import { HOST_LOST_MS } from '../host/hosts';
import { OperationQueue } from '../operation/operation-queue';
import { projectDecider } from '../project/project';
import { DEFAULT_ENDPOINT_SETTINGS } from '../project/settings';
import { Caretaker, STRAY_AFTER_MS } from './caretaker';
import { ComputeHosts } from './compute-hosts';
import { endpointDecider } from './endpoint';

class TestClock extends Clock {
  time = 1_000_000;
  override now = () => this.time;
}
class TestRandom extends Random {
  private next = 0;
  override bytes = (count: number) => Uint8Array.from({ length: count }, () => this.next++ % 251);
}
class SilentQueue extends OperationQueue {
  override nudge = () => undefined;
  override ended = () => Promise.resolve();
}
class RecordingHosts extends ComputeHosts {
  readonly stopped: string[] = [];
  override start = () => Promise.reject(new Error('nobody asked for a start'));
  override apply = () => Promise.reject(new Error('nobody asked for a change'));
  override stop = (hostId: string, endpointId: string) =>
    Promise.resolve(void this.stopped.push(`${hostId}/${endpointId}`));
}

const BY = { actor: 'spec' };
const address = { host: '10.0.0.1', port: 6000 };
const running = (endpointId: string, lastActiveAt: number) =>
  ({ endpointId, status: 'running', address, lastActiveAt }) as const;

/** A project with one endpoint, whose compute runs on host-1. */
async function setUp() {
  const clock = new TestClock();
  const random = new TestRandom();
  const handler = new CommandHandler(new MemoryEventStore(), { clock, random });
  const registry = new HostRegistry(clock);
  const hosts = new RecordingHosts();
  const caretaker = new Caretaker({ handler, queue: new SilentQueue(), clock, random }, registry, hosts);
  const settings = DEFAULT_ENDPOINT_SETTINGS;
  await handler.execute(BY, async (unit) => {
    await unit.decide(projectDecider, 'p', {
      type: 'CreateProject',
      projectId: 'p',
      pgVersion: 17,
      regionId: 'aws-us-east-2',
      storePasswords: true,
      settings: {
        name: 'p',
        historyRetentionSeconds: 0,
        defaultEndpointSettings: settings,
        allowedIps: { ips: [], protectedBranchesOnly: false },
      },
    });
    const endpoint = { endpointId: 'ep-1', projectId: 'p', branchId: 'br-1', kind: 'read_write', name: null } as const;
    await unit.decide(endpointDecider, 'ep-1', { type: 'CreateEndpoint', ...endpoint, settings });
    const location = { hostId: 'host-1', ...address };
    await unit.decide(endpointDecider, 'ep-1', { type: 'MarkStarted', location, at: clock.time });
  });
  const state = async () => (await handler.state(endpointDecider, 'ep-1'))?.compute.status;
  const chains = async () => (await handler.state(projectDecider, 'p'))?.chains ?? [];
  return { clock, handler, registry, hosts, caretaker, state, chains };
}

describe('the caretaker', () => {
  it('suspends an endpoint that idles, once', async () => {
    const { clock, registry, caretaker, chains } = await setUp();
    const startedAt = clock.time;
    clock.time += 299_000;
    registry.report('host-1', [running('ep-1', startedAt)]);
    await caretaker.look(['ep-1']);
    expect(await chains()).toEqual([]);
    clock.time += 1_000;
    registry.report('host-1', [running('ep-1', startedAt)]);
    await caretaker.look(['ep-1']);
    await caretaker.look(['ep-1']);
    expect((await chains()).flatMap(({ operations }) => operations)).toMatchObject([
      { action: 'suspend_compute', endpointId: 'ep-1' },
    ]);
  });

  it('notes that a compute ended: said by its host, missing from its report, or gone with its host', async () => {
    const said = await setUp();
    await said.caretaker.ended({ hostId: 'host-1', endpointId: 'ep-1', reason: 'crashed' });
    expect(await said.state()).toBe('idle');

    const missing = await setUp();
    missing.registry.report('host-1', []);
    await missing.caretaker.look(['ep-1']);
    expect(await missing.state()).toBe('active');
    missing.clock.time += 5_000;
    missing.registry.report('host-1', []);
    await missing.caretaker.look(['ep-1']);
    expect(await missing.state()).toBe('idle');

    const lost = await setUp();
    lost.registry.report('host-1', [running('ep-1', lost.clock.time)]);
    lost.clock.time += HOST_LOST_MS;
    await lost.caretaker.look(['ep-1']);
    expect(await lost.state()).toBe('idle');
  });

  it('takes in a compute that outlived the books, not one that is just stopping', async () => {
    const { clock, handler, registry, caretaker, state, hosts } = await setUp();
    await caretaker.ended({ hostId: 'host-1', endpointId: 'ep-1', reason: 'crashed' });
    registry.report('host-1', [running('ep-1', clock.time)]);
    await caretaker.look([]);
    expect(await state()).toBe('idle');
    clock.time += STRAY_AFTER_MS;
    registry.report('host-1', [running('ep-1', clock.time)]);
    await caretaker.look([]);
    expect(await state()).toBe('active');
    expect(hosts.stopped).toEqual([]);
    await handler.execute(BY, (unit) => unit.decide(endpointDecider, 'ep-1', { type: 'DeleteEndpoint' }));
    for (let look = 0; look < 2; look++) {
      clock.time += STRAY_AFTER_MS;
      registry.report('host-1', [running('ep-1', clock.time), running('ep-unknown', clock.time)]);
      await caretaker.look([]);
    }
    expect(new Set(hosts.stopped)).toEqual(new Set(['host-1/ep-1', 'host-1/ep-unknown']));
  });
});
