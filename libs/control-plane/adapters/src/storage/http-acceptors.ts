/**
 * Safekeepers over their management API, for changes of membership (`Acceptors`).
 *
 *   HA1  Every request names the disk that is meant; an answer of another one counts for nothing.
 */
import {
  type AcceptorPosition,
  type Member,
  MemberRecord,
  MembershipRecord,
  type SettledMembership,
} from '@neon/consensus';
import { Acceptors, type BranchAddress, type Configuration, type Seed } from '@neon/control-plane-core';
import { Lsn, Refusal, Term } from '@neon/kernel';
import {
  type MembershipConfigureBody,
  MembershipPosition,
  type TimelinePull,
  type TimelineRemoval,
} from '@neon/safekeeper-contract';
import type { ManagementClient } from './management-client';
import { pathOf } from './storage-ids';
import type { StorageNodes } from './storage-nodes';
import type { TimelineMembers } from './timeline-members';

/** A configuration waits for what is queued for the disk. */
const CONFIGURE_TIMEOUT_MS = 10_000;
/** A copy takes as long as it takes; whoever stops waiting asks again and waits for the same one. */
const PULL_TIMEOUT_MS = 60_000;
/** So does the removal of many files; who asks again waits for what is under way. */
const REMOVAL_TIMEOUT_MS = 60_000;

export interface HttpAcceptorsOptions {
  readonly nodes: StorageNodes;
  readonly members: TimelineMembers;
  readonly client: ManagementClient;
  readonly announce: (address: BranchAddress, safekeeperIds: readonly number[]) => Promise<void>;
}

export class HttpAcceptors extends Acceptors {
  constructor(private readonly options: HttpAcceptorsOptions) {
    super();
  }

  override async founders({ branchId }: BranchAddress, safekeeperIds: readonly number[]): Promise<readonly Member[]> {
    const { nodes, members } = this.options;
    const founders: Member[] = [];
    for (const safekeeperId of safekeeperIds) {
      const incarnation = await members.claim(branchId, safekeeperId, nodes.safekeeper(safekeeperId).incarnation);
      founders.push(MemberRecord.parse({ safekeeperId, incarnation }));
    }
    return founders;
  }

  override async configure(
    address: BranchAddress,
    { safekeeperId, incarnation }: Member,
    { membership, minTerm }: Configuration,
  ): Promise<AcceptorPosition | 'absent'> {
    const { nodes, client } = this.options;
    const body: MembershipConfigureBody = { incarnation, membership: MembershipRecord.of(membership), minTerm };
    const path = `${pathOf(address)}/membership`;
    const request = { method: 'PUT', path, body, timeoutMs: CONFIGURE_TIMEOUT_MS } as const;
    try {
      const answer = await client.call(nodes.safekeeper(safekeeperId), request, MembershipPosition);
      return {
        membership: MembershipRecord.parse(answer.membership),
        term: Term.of(answer.term),
        lastLogTerm: Term.of(answer.lastLogTerm),
        flushLsn: Lsn.parse(answer.flushLsn),
      };
    } catch (error) {
      if (error instanceof Refusal && error.code === 'TimelineUnknown') return 'absent';
      throw error;
    }
  }

  override async seed(address: BranchAddress, member: Member, { membership, donor }: Seed): Promise<void> {
    const { nodes, client } = this.options;
    const { host, httpPort } = nodes.safekeeper(donor.safekeeperId);
    const body: TimelinePull = {
      incarnation: member.incarnation,
      membership: MembershipRecord.of(membership),
      donor: { ...MemberRecord.of(donor), host, httpPort },
    };
    const path = `${pathOf(address)}/pull`;
    await client.send(nodes.safekeeper(member.safekeeperId), {
      method: 'POST',
      path,
      body,
      timeoutMs: PULL_TIMEOUT_MS,
    });
  }

  /** When another disk answers, the one that is meant is gone, and so is all that was on it. */
  override async remove(address: BranchAddress, member: Member, membership: SettledMembership): Promise<void> {
    const { nodes, client } = this.options;
    const { generation, members } = membership;
    const body: TimelineRemoval = {
      incarnation: member.incarnation,
      membership: { generation, members: members.map(MemberRecord.of) },
    };
    const path = `${pathOf(address)}/removal`;
    const request = { method: 'POST', path, body, timeoutMs: REMOVAL_TIMEOUT_MS } as const;
    try {
      await client.send(nodes.safekeeper(member.safekeeperId), request);
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'WrongIncarnation') throw error;
    }
  }

  override announce(address: BranchAddress, safekeeperIds: readonly number[]): Promise<void> {
    return this.options.announce(address, safekeeperIds);
  }
}
