import { Clock } from '@neon/kernel';
import { type HostReport, type Hosts, type ReportedCompute, forget, observe } from './hosts';

/** The latest report of each host, and when clients last asked for each endpoint. Lost on restart, and learnt again in a second. */
export class HostRegistry {
  private reports: Hosts = new Map<string, HostReport>();
  private readonly woken = new Map<string, number>();
  readonly observingSince: number;

  constructor(private readonly clock: Clock) {
    this.observingSince = clock.now();
  }

  get hosts(): Hosts {
    return this.reports;
  }

  get wokenAt(): ReadonlyMap<string, number> {
    return this.woken;
  }

  report(hostId: string, computes: readonly ReportedCompute[]): void {
    this.reports = observe(this.reports, { hostId, seenAt: this.clock.now(), computes });
  }

  ended(hostId: string, endpointId: string): void {
    this.reports = forget(this.reports, { hostId, endpointId });
  }

  wake(endpointId: string): void {
    this.woken.set(endpointId, this.clock.now());
  }

  /** Endpoints that sleep need no memory of when they were asked for. */
  sleep(endpointId: string): void {
    this.woken.delete(endpointId);
  }
}
