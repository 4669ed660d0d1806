/**
 * The connections of one walproposer: one to everybody in the membership it goes by.
 *
 *   KL1  When the membership changes, or somebody in it moves, connections are made and ended so that this holds again. Of one that
 *        ends in this way nothing is heard any more but its end.
 *   KL2  Who is where nobody knows yet is connected to as soon as somebody does.
 */
import { type AcceptorMessage, Membership } from '@neon/consensus';
import type { SafekeeperId } from '@neon/kernel';
import type { SafekeeperAddress, SafekeeperAddresses } from './safekeeper-addresses';
import { SafekeeperLink } from './safekeeper-link';

export interface SafekeeperLinksOptions {
  readonly addresses: SafekeeperAddresses;
  /** Of a founding membership, which lists nobody. */
  readonly founderIds: readonly SafekeeperId[];
  readonly onConnected: (safekeeper: SafekeeperId) => void;
  readonly onDisconnected: (safekeeper: SafekeeperId, reason: string) => void;
  readonly onMessage: (safekeeper: SafekeeperId, message: AcceptorMessage) => void;
}

interface Linked {
  readonly link: SafekeeperLink;
  readonly address: SafekeeperAddress;
}

export class SafekeeperLinks {
  private readonly links = new Map<SafekeeperId, Linked>();
  private wanted: ReadonlySet<SafekeeperId> = new Set();
  private readonly stopListening: () => void;

  constructor(private readonly options: SafekeeperLinksOptions) {
    this.stopListening = options.addresses.onChange(() => this.arrange());
  }

  /** How many there shall be. */
  get count(): number {
    return this.wanted.size;
  }

  follow(membership: Membership): void {
    const ids =
      membership.kind === 'founding'
        ? this.options.founderIds
        : Membership.everyone(membership).map(({ safekeeperId }) => safekeeperId);
    this.wanted = new Set(ids);
    this.arrange();
  }

  /** KL1, KL2. */
  private arrange(): void {
    for (const [id, { address, link }] of [...this.links]) {
      if (this.wanted.has(id) && sameAddress(address, this.options.addresses.of(id))) continue;
      this.links.delete(id);
      link.close();
      this.options.onDisconnected(id, this.wanted.has(id) ? 'it has moved' : 'it is not a member any more');
    }
    for (const id of this.wanted) {
      const address = this.options.addresses.of(id);
      if (address !== undefined && !this.links.has(id)) this.links.set(id, { address, link: this.open(id, address) });
    }
  }

  private open(id: SafekeeperId, { host, proposerPort }: SafekeeperAddress): SafekeeperLink {
    return new SafekeeperLink({
      host,
      port: proposerPort,
      onConnected: () => this.options.onConnected(id),
      onDisconnected: (reason) => this.options.onDisconnected(id, reason),
      onMessage: (message) => this.options.onMessage(id, message),
    });
  }

  send(safekeeper: SafekeeperId, frame: Uint8Array): void {
    this.links.get(safekeeper)?.link.send(frame);
  }

  disconnect(safekeeper: SafekeeperId, reason: string): void {
    this.links.get(safekeeper)?.link.disconnect(reason);
  }

  /** What was sent still leaves; nothing more is reported. */
  close(): void {
    this.stopListening();
    this.wanted = new Set();
    for (const { link } of this.links.values()) link.close();
    this.links.clear();
  }
}

const sameAddress = (a: SafekeeperAddress, b: SafekeeperAddress | undefined): boolean =>
  a.host === b?.host && a.proposerPort === b.proposerPort && a.replicationPort === b.replicationPort;
