/**
 * The control plane, asked over NATS.
 *
 * Sessions that wake the same endpoint at the same time share one request: a compute is woken once, however many clients
 * wait for it. Answers are not kept: a compute may stop at any moment, and only the control plane knows.
 */
import { authenticateEndpoint, wakeEndpoint } from '@neon/control-plane-contract';
import type { Bus } from '@neon/messaging';
import { type AwakeCompute, ControlPlane, type EndpointCredentials } from '@neon/proxy-core';

export class NatsControlPlane extends ControlPlane {
  private readonly waking = new Map<string, Promise<AwakeCompute>>();

  constructor(private readonly bus: Bus) {
    super();
  }

  authenticate(question: { endpointId: string; role: string }): Promise<EndpointCredentials> {
    return this.bus.request(authenticateEndpoint, question);
  }

  wake(endpointId: string): Promise<AwakeCompute> {
    const running = this.waking.get(endpointId);
    if (running !== undefined) return running;
    const started = this.bus.request(wakeEndpoint, { endpointId }).finally(() => this.waking.delete(endpointId));
    this.waking.set(endpointId, started);
    return started;
  }
}
