/**
 * What a proxy asks for: who may come in, and where to go.
 *
 *   W1  An endpoint whose compute runs is answered from one read.
 *   W2  Any number of clients that wake an endpoint cause one start, and all learn its outcome.
 *   W3  A wake waits for whatever is under way with the endpoint; it is never refused for being busy.
 */
import { Refusal, Unavailable } from '@neon/kernel';
import { isThere } from '../host/hosts';
import type { HostRegistry } from '../host/host-registry';
import { branchDecider, liveBranch } from '../branch/branch';
import type { Workshop } from '../operation/change';
import { openChain } from '../operation/open-chain';
import { operationDecider } from '../operation/operation';
import { SERVICE } from '../operation/operations';
import { liveProject, projectDecider } from '../project/project';
import { type Endpoint, endpointDecider, liveEndpoint } from './endpoint';

export interface Admission {
  readonly projectId: string;
  readonly branchId: string;
  readonly verifier: string | null;
  readonly allowedIps: readonly string[];
}

export interface Awake {
  readonly host: string;
  readonly port: number;
  readonly coldStart: boolean;
}

/** Starts that a wake asks for before it gives up: the first may be overtaken by a suspension. */
const STARTS_MAX = 3;

export class FrontDoor {
  constructor(
    private readonly workshop: Workshop,
    private readonly registry: HostRegistry,
  ) {}

  /** An unknown role has no verifier, and no other difference. @throws Refusal `EndpointNotFound` */
  async admit(endpointId: string, roleName: string): Promise<Admission> {
    const { handler } = this.workshop;
    const { projectId, branchId } = liveEndpoint(await handler.state(endpointDecider, endpointId));
    const [project, branch] = await Promise.all([
      handler.state(projectDecider, projectId).then(liveProject),
      handler.state(branchDecider, branchId).then(liveBranch),
    ]);
    const role = branch.catalog.roles.find(({ name }) => name === roleName);
    const { ips, protectedBranchesOnly } = project.settings.allowedIps;
    // No branch is protected, so a list for protected branches alone keeps nobody out.
    return { projectId, branchId, verifier: role?.verifier ?? null, allowedIps: protectedBranchesOnly ? [] : ips };
  }

  /** @throws Refusal `EndpointNotFound`, `EndpointDisabled`, or the reason why the compute did not start */
  async wake(endpointId: string): Promise<Awake> {
    const { handler, queue, clock } = this.workshop;
    for (let starts = 0; starts <= STARTS_MAX; starts++) {
      const endpoint = liveEndpoint(await handler.state(endpointDecider, endpointId));
      if (endpoint.disabled) throw new Refusal('EndpointDisabled', 'endpoint is disabled');
      const { compute, pending } = endpoint;
      if (compute.status === 'active' && pending === null && isThere(endpoint, this.registry.hosts, clock.now())) {
        this.registry.wake(endpointId);
        return { host: compute.location.host, port: compute.location.port, coldStart: starts > 0 };
      }
      const operationId = await this.requestStart(endpoint);
      queue.nudge(endpoint.projectId);
      await queue.ended(operationId);
      const operation = await handler.state(operationDecider, operationId);
      if (operation?.status === 'failed' && operation.error !== null) throw failureOf(operation.error);
    }
    throw new Unavailable('the endpoint was suspended as often as it was started');
  }

  /** The open start of the endpoint, or one that waits for its turn (W2, W3). */
  private async requestStart({ endpointId, projectId, branchId }: Endpoint): Promise<string> {
    const { handler, random } = this.workshop;
    const { value } = await handler.execute(SERVICE, async (unit) => {
      const project = liveProject(await unit.state(projectDecider, projectId));
      const open = project.chains
        .flatMap(({ operations }) => operations)
        .find((each) => each.endpointId === endpointId && each.action === 'start_compute');
      if (open !== undefined) return open.operationId;
      await unit.decide(endpointDecider, endpointId, { type: 'RequestStart' });
      const steps = [{ action: 'start_compute', branchId, endpointId } as const];
      const [operationId = ''] = await openChain(unit, projectId, { scope: 'endpoint', steps, mayWait: true }, random);
      return operationId;
    });
    return value;
  }
}

function failureOf({ code, message }: { code: string; message: string }): Error {
  return code === 'Unavailable' || code === 'Internal' ? new Unavailable(message) : new Refusal(code, message);
}
