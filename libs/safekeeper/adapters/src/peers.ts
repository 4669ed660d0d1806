/**
 * What this safekeeper takes from others by itself, over their management APIs, and what it has no more to do with.
 *
 *   PE1  Nothing without a token for it: then others are asked for nothing.
 */
import type { RemovalRequest } from '@neon/consensus';
import { Unavailable } from '@neon/kernel';
import { Pulls, type PullRequest, type Safekeeper, type Timeline, type TimelineKey } from '@neon/safekeeper-core';
import { FileTimelineCopies } from './file-timeline-copies';
import { type DonorAddress, HttpDonor } from './http-donor';
import type { TenantDirectories } from './tenant-directories';

export interface PeersOptions {
  readonly safekeeper: Safekeeper;
  readonly tenants: TenantDirectories;
  /** A service token of scope `storage`. */
  readonly token: string | undefined;
}

export class Peers {
  private readonly pulls: Pulls;

  constructor(private readonly options: PeersOptions) {
    this.pulls = new Pulls(options.safekeeper, new FileTimelineCopies(options.tenants));
  }

  /** @throws Refusal, Unavailable */
  pull(key: TimelineKey, request: PullRequest, donor: DonorAddress): Promise<Timeline> {
    return this.pulls.pull(key, request, new HttpDonor(key, donor, this.requireToken()));
  }

  /** Not at the same time (PU6). @throws Refusal, Unavailable */
  remove(key: TimelineKey, request: RemovalRequest): Promise<void> {
    return this.pulls.remove(key, request);
  }

  /** PE1. */
  private requireToken(): string {
    if (this.options.token === undefined)
      throw new Unavailable('this safekeeper has no token of its own to ask others with');
    return this.options.token;
  }
}
