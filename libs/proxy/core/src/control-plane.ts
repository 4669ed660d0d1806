/**
 * What a proxy asks of the control plane. Both calls end with an answer, a `Refusal`, or `Unavailable`.
 *
 * Adapters: over NATS, and in memory for specs.
 */
export interface EndpointCredentials {
  readonly projectId: string;
  readonly branchId: string;
  /** Postgres' SCRAM verifier text; null: there is no such role, or it has no password. */
  readonly verifier: string | null;
  /** Addresses, ranges and CIDR blocks that clients may come from; empty: any. */
  readonly allowedIps: readonly string[];
}

export interface AwakeCompute {
  readonly computeId: string;
  readonly host: string;
  readonly port: number;
  /** The compute was suspended and has just been started. */
  readonly coldStart: boolean;
}

export abstract class ControlPlane {
  abstract authenticate(question: { endpointId: string; role: string }): Promise<EndpointCredentials>;
  abstract wake(endpointId: string): Promise<AwakeCompute>;
}
