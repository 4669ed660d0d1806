/**
 * Where safekeepers are: as the spec of a compute said, until they say so themselves.
 *
 *   SA1  The newest word of a safekeeper counts, for every compute of this host; who has not been heard of is where the spec says.
 *   SA2  Whoever waits for an address is told of each change.
 */
import type { ComputeSpec } from '@neon/compute-contract';

export interface SafekeeperAddress {
  readonly host: string;
  readonly proposerPort: number;
  readonly replicationPort: number;
}

type Told = SafekeeperAddress & { readonly id: number };

export class SafekeeperAddresses {
  private readonly listeners = new Set<() => void>();
  private readonly heard = new Map<number, SafekeeperAddress>();

  /** Of what the safekeepers have said of themselves. */
  constructor(
    private readonly parent?: SafekeeperAddresses,
    private readonly spec?: Pick<ComputeSpec, 'safekeepers'>,
  ) {}

  /** For one compute: with the addresses of its spec below what is heard. */
  within(spec: Pick<ComputeSpec, 'safekeepers'>): SafekeeperAddresses {
    return new SafekeeperAddresses(this, spec);
  }

  of(id: number): SafekeeperAddress | undefined {
    return this.heard.get(id) ?? this.parent?.of(id) ?? this.spec?.safekeepers.find((each) => each.id === id);
  }

  heardOf({ id, host, proposerPort, replicationPort }: Told): void {
    const before = this.heard.get(id);
    if (before?.host === host && before.proposerPort === proposerPort && before.replicationPort === replicationPort)
      return;
    this.heard.set(id, { host, proposerPort, replicationPort });
    for (const listener of [...this.listeners]) listener();
  }

  /** @returns a function that ends it */
  onChange(listener: () => void): () => void {
    const end = this.parent?.onChange(listener);
    this.listeners.add(listener);
    return () => {
      end?.();
      this.listeners.delete(listener);
    };
  }
}
