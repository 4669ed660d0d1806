/** A control plane for specs and benchmarks: endpoints by id, woken by a function. */
import { Refusal } from '@neon/kernel';
import { type AwakeCompute, ControlPlane, type EndpointCredentials } from '@neon/proxy-core';

export interface MemoryEndpoint {
  readonly verifiers: Readonly<Record<string, string>>;
  readonly allowedIps?: readonly string[];
  readonly wake: () => Promise<AwakeCompute>;
}

export class MemoryControlPlane extends ControlPlane {
  readonly endpoints = new Map<string, MemoryEndpoint>();

  async authenticate({ endpointId, role }: { endpointId: string; role: string }): Promise<EndpointCredentials> {
    const { verifiers, allowedIps = [] } = this.endpoint(endpointId);
    const verifier = verifiers[role] ?? null;
    return { projectId: 'quiet-lake-12345678', branchId: 'br-quiet-lake-12345678', verifier, allowedIps };
  }

  async wake(endpointId: string): Promise<AwakeCompute> {
    return this.endpoint(endpointId).wake();
  }

  private endpoint(endpointId: string): MemoryEndpoint {
    const endpoint = this.endpoints.get(endpointId);
    if (endpoint === undefined) throw new Refusal('EndpointNotFound', `no endpoint ${endpointId}`);
    return endpoint;
  }
}
