/** What the control plane does without being asked, from `start` to `stop`. */
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { authenticateEndpoint, wakeEndpoint } from '@neon/control-plane-contract';
import { computeStopped, hostAlive } from '@neon/compute-contract';
import { persist } from '@neon/control-plane-adapters';
import { pageserverAlive } from '@neon/pageserver-contract';
import { safekeeperAlive } from '@neon/safekeeper-contract';
import { secondsHistogram } from '@neon/telemetry';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlPlaneNode } from './control-plane-node';

const wakes = secondsHistogram({
  component: 'control-plane',
  name: 'neon_control_plane_wake_seconds',
  description: 'How long wakes take, by whether a compute had to be started',
});

/** Hosts report every second; looking more often sees nothing more. */
const LOOK_EVERY_MS = 1_000;
/** A host that lives reports within a second. */
const HOST_TIMEOUT_MS = 2_000;
const HOST_POLL_MS = 50;
/** What is cut short here is begun again by the next process. */
const TEND_END_MS = 1_000;

@Injectable()
export class Background implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  /** On its own: a copy between safekeepers may take long. */
  private tending: Promise<void> | undefined;
  /** On its own as well: it must not hold up changes. */
  private removing: Promise<void> | undefined;

  constructor(private readonly node: ControlPlaneNode) {}

  async onApplicationBootstrap(): Promise<void> {
    const { node } = this;
    node.get('handler').onCommit(() => this.project());
    await persist(() => node.get('tables').catchUp());
    await this.listen();
    this.attempt(this.resume());
    this.project();
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** Doors first, then what runs, then what it runs on. */
  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.node.get('bus').close();
    await this.node.get('runner').stop();
    await this.looking;
    await Promise.race([Promise.all([this.tending, this.removing]), sleep(TEND_END_MS, undefined, { ref: false })]);
    await this.node.get('database').$disconnect();
  }

  private async listen(): Promise<void> {
    const bus = this.node.get('bus');
    const frontDoor = this.node.get('frontDoor');
    const nodes = this.node.get('nodes');
    const care = this.node.get('care');
    bus.respond(authenticateEndpoint, async ({ endpointId, role }) => {
      const admission = await frontDoor.admit(endpointId, role);
      return { ...admission, allowedIps: [...admission.allowedIps] };
    });
    bus.respond(wakeEndpoint, async ({ endpointId }) => {
      const startedAt = performance.now();
      const awake = await frontDoor.wake(endpointId);
      wakes.recordSince(startedAt, { cold: awake.coldStart });
      return { computeId: endpointId, ...awake };
    });
    bus.onSignal(hostAlive, ({ hostId, computes }) =>
      this.node.get('registry').report(
        hostId,
        computes.map(({ computeId, status, address, lastActiveAt }) => ({
          endpointId: computeId,
          status,
          address,
          lastActiveAt,
        })),
      ),
    );
    bus.onSignal(pageserverAlive, (alive) =>
      this.attempt(
        nodes.pageserverAlive(alive).then((moved) => {
          if (moved) care.incomplete();
        }),
      ),
    );
    nodes.onSafekeeper = (safekeeperId, change) => care.safekeeperSeen(safekeeperId, change);
    bus.onSignal(safekeeperAlive, (alive) => this.attempt(nodes.safekeeperAlive(alive)));
    await bus.consume(computeStopped, {
      durable: 'control-plane',
      handler: async ({ computeId, hostId, reason }) => {
        // What was asked for is recorded by whoever asked.
        if (reason !== 'requested') await this.node.get('caretaker').ended({ hostId, endpointId: computeId, reason });
      },
    });
  }

  /** What an earlier process left open, as soon as there is a host to carry it out on. */
  private async resume(): Promise<void> {
    const deadline = this.node.get('clock').now() + HOST_TIMEOUT_MS;
    while (this.node.get('registry').hosts.size === 0 && this.node.get('clock').now() < deadline)
      await sleep(HOST_POLL_MS);
    for (const projectId of await this.node.get('readModel').busyProjects()) this.node.get('runner').nudge(projectId);
  }

  private project(): void {
    this.attempt(this.node.get('tables').catchUp());
    this.attempt(this.node.get('announcements').catchUp());
  }

  private look(): void {
    this.looking = this.looking.then(async () => {
      try {
        await this.node.get('caretaker').look(await this.node.get('readModel').activeEndpointIds());
      } catch (error) {
        this.complain(error);
      }
    });
    this.tending ??= this.node
      .get('care')
      .look()
      .catch((error: unknown) => this.complain(error))
      .finally(() => (this.tending = undefined));
    this.removing ??= Promise.all([this.node.get('former').look(), this.node.get('deletions').look()])
      .then(() => undefined)
      .catch((error: unknown) => this.complain(error))
      .finally(() => (this.removing = undefined));
    this.project();
  }

  private attempt(work: Promise<void>): void {
    void work.catch((error: unknown) => this.complain(error));
  }

  private complain(error: unknown): void {
    this.node.get('logger').warn({ err: error }, 'background work failed and is tried again');
  }
}
