/**
 * The walproposer: makes one compute the only writer of its timeline, and its WAL durable on a quorum of safekeepers.
 *
 *   W1  `elect` resolves with the term and its start LSN once a quorum holds everything below that LSN in that term.
 *   W2  Postgres is told that WAL is flushed when the quorum has it, in the turn of the event loop in which that is known;
 *       no timer lies between.
 *   W3  While too much WAL is uncommitted nothing is read from Postgres, which then waits; memory stays bounded.
 *   W4  Once another compute leads, `onDeposed` is called, the stream ends for good, and Postgres is told nothing more.
 *   W5  A broken connection to Postgres is made again, from the byte after the last one received; what it is told there
 *       is still the quorum's commit LSN and nothing else.
 *   W6  It is connected to everybody in the membership it goes by, and to nobody else, wherever they are by now.
 *
 * The rules are the pure `Proposer`; here are its sockets, files and time.
 */
import { randomBytes } from 'node:crypto';
import {
  type AcceptorMessage,
  DEFAULT_TIMING,
  MembershipRecord,
  Proposer,
  type ProposerEffect,
  type ProposerInput,
  type ProposerMessage,
  type ProposerState,
  encodeProposerMessage,
  quorumFullness,
} from '@neon/consensus';
import { FULL, WALPROPOSER, type WalPositions } from '@neon/compute-core';
import type { ComputeSpec } from '@neon/compute-contract';
import {
  Lsn,
  Refusal,
  SafekeeperId,
  SystemId,
  TenantId,
  type Term,
  TimelineId,
  Unavailable,
  unreachable,
} from '@neon/kernel';
import { type Logger, activeTraceparent, detached } from '@neon/telemetry';
import { readDonorWal } from './donor-wal';
import { readLocalWal } from './local-wal';
import type { SafekeeperAddresses } from './safekeeper-addresses';
import { SafekeeperLinks } from './safekeeper-links';
import { WalsenderStream } from './walsender-stream';

export interface Elected {
  readonly term: Term;
  readonly startLsn: Lsn;
}

export interface PostgresSource {
  readonly socketDir: string;
  readonly port: number;
  readonly walDir: string;
}

export interface WalproposerOptions {
  readonly spec: ComputeSpec;
  readonly addresses: SafekeeperAddresses;
  readonly log: Logger;
  /** Another compute leads the timeline: this one must end at once. */
  readonly onDeposed: (term: Term) => void;
}

/** DEFAULT_TIMING counts in these. */
const TICK_MS = 20;
const RECONNECT_MS = 50;
/** How long WAL may wait for more of it, and safekeepers to hear what is committed: the shortest time that a timer has. */
const IDLE_MS = 1;
/** Who was heard within this answers, though it may just now be greeted anew. */
const ANSWERING_MS = 5_000;
const SQLSTATE_DUPLICATE_OBJECT = '42710';

interface Waiter {
  readonly lsn: Lsn;
  readonly settle: (error?: Error) => void;
}

export class Walproposer {
  /**
   * `application_name` of the connection to Postgres, and the only name whose word makes a commit durable: another one
   * for every start, so that no session has it by accident or from an earlier start.
   */
  readonly standbyName = `${WALPROPOSER}_${randomBytes(8).toString('hex')}`;
  private state: ProposerState;
  private readonly inputs: ProposerInput[] = [];
  private isStepping = false;
  private encoded: { readonly message: ProposerMessage; readonly frame: Uint8Array } | undefined;
  private readonly links: SafekeeperLinks;
  private readonly ticker: NodeJS.Timeout;
  private readonly refusals = new Map<SafekeeperId, string>();
  private readonly heardAt = new Map<SafekeeperId, number>();
  private readonly fullness = new Map<SafekeeperId, number>();
  private readonly pageserver = { receivedLsn: Lsn.ZERO, durableLsn: Lsn.ZERO };
  private elected: Elected | undefined;
  /** Safekeepers that are greeted while `elect` waits belong to its trace; later sessions do not. */
  private electionTraceparent: string | undefined;
  private source: PostgresSource | undefined;
  private stream: WalsenderStream | undefined;
  private receivedLsn: Lsn = Lsn.ZERO;
  private isPaused = false;
  private isClosed = false;
  private isDeposed = false;
  private commitWaiters: Waiter[] = [];
  private holdTimer: NodeJS.Timeout | undefined;
  private commitTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: WalproposerOptions) {
    const { spec } = options;
    this.state = Proposer.create({
      identity: {
        tenantId: TenantId.parse(spec.tenantId),
        timelineId: TimelineId.parse(spec.timelineId),
        pgMajor: spec.pgMajor,
        systemId: SystemId.parse(spec.systemId),
        walSegmentSize: spec.walSegmentSize,
      },
      membership: MembershipRecord.parse({ ...spec, generation: spec.membershipGeneration }),
      safekeepers: spec.safekeepers.map(({ id }) => SafekeeperId.of(id)),
      token: spec.token,
      timing: DEFAULT_TIMING,
    });
    this.links = new SafekeeperLinks({
      addresses: options.addresses,
      founderIds: spec.safekeepers.map(({ id }) => SafekeeperId.of(id)),
      onConnected: (safekeeper) => this.take({ kind: 'connected', safekeeper, traceparent: this.electionTraceparent }),
      onDisconnected: (safekeeper, reason) => {
        if (!this.isClosed) options.log.warn({ safekeeper, reason }, 'safekeeper disconnected');
        this.take({ kind: 'disconnected', safekeeper });
      },
      onMessage: (safekeeper, message) => {
        this.hear(safekeeper, message);
        this.take({ kind: 'received', safekeeper, message });
      },
    });
    this.ticker = setInterval(() => this.take({ kind: 'tick', random: Math.random() }), TICK_MS);
  }

  get commitLsn(): Lsn {
    return this.state.commitLsn;
  }

  /** Who lags behind Postgres, as far as is known: the pageserver has served the start of this term. */
  get positions(): WalPositions {
    const startLsn = this.elected?.startLsn ?? Lsn.ZERO;
    const fullnessOf = (id: SafekeeperId): number =>
      this.state.peers.get(id)?.kind === 'streaming' ? (this.fullness.get(id) ?? 0) : FULL;
    return {
      writtenLsn: Lsn.max(this.receivedLsn, this.stream?.sourceEndLsn ?? Lsn.ZERO),
      receivedLsn: Lsn.max(startLsn, this.pageserver.receivedLsn),
      durableLsn: Lsn.max(startLsn, this.pageserver.durableLsn),
      fullness: quorumFullness(this.state.voterSets, ({ safekeeperId }) => fullnessOf(safekeeperId)),
    };
  }

  private hear(safekeeper: SafekeeperId, message: AcceptorMessage): void {
    this.heardAt.set(safekeeper, performance.now());
    if (message.kind !== 'appendResponse') return;
    this.fullness.set(safekeeper, message.fullness ?? 0);
    if (message.pageserver === undefined) return;
    const { receivedLsn, durableLsn } = message.pageserver;
    this.pageserver.receivedLsn = Lsn.max(this.pageserver.receivedLsn, receivedLsn);
    this.pageserver.durableLsn = Lsn.max(this.pageserver.durableLsn, durableLsn);
  }

  /** WAL that Postgres handed over and no quorum has. */
  get uncommittedBytes(): number {
    return Math.max(0, this.receivedLsn - this.state.commitLsn);
  }

  /**
   * No safekeeper hears of this compute before: each campaign costs the timeline a term.
   * @throws Refusal `QuorumUnavailable` when that takes longer than `timeoutMs`
   */
  async elect(timeoutMs: number): Promise<Elected> {
    this.electionTraceparent = activeTraceparent();
    // The connections outlive the start that is traced here.
    if (!this.isClosed) detached(() => this.links.follow(this.state.membership));
    await this.committed(Lsn.of(1), timeoutMs).finally(() => (this.electionTraceparent = undefined));
    if (this.elected === undefined) throw new Error('broken promise: W1: nothing is committed before an election');
    return this.elected;
  }

  /** Resolves when everything below `lsn` is committed. @throws Refusal `QuorumUnavailable` */
  committed(lsn: Lsn, timeoutMs: number): Promise<void> {
    if (this.state.commitLsn >= lsn) return Promise.resolve();
    if (this.isClosed) return Promise.reject(new Unavailable('the walproposer is closed'));
    return new Promise((resolve, reject) => {
      const entry: Waiter = {
        lsn,
        settle: (error) => {
          clearTimeout(timer);
          this.commitWaiters = this.commitWaiters.filter((waiter) => waiter !== entry);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      const timer = setTimeout(() => entry.settle(this.quorumUnavailable()), timeoutMs);
      this.commitWaiters.push(entry);
    });
  }

  quorumUnavailable(): Refusal {
    const since = performance.now() - ANSWERING_MS;
    const answering = [...this.state.peers.keys()].filter((id) => (this.heardAt.get(id) ?? -Infinity) > since);
    const refused = Object.fromEntries(this.refusals);
    const { count } = this.links;
    return new Refusal('QuorumUnavailable', `${answering.length} of ${count} safekeepers answer, no quorum in time`, {
      answering,
      refused,
    });
  }

  /** Begins to read WAL from Postgres, at the start of the term. */
  async follow(source: PostgresSource): Promise<void> {
    if (this.elected === undefined) throw new Error('broken promise: W1: follow comes after elect');
    this.receivedLsn = this.elected.startLsn;
    this.source = source;
    await detached(() => this.openStream(source));
  }

  private async openStream({ socketDir, port }: PostgresSource): Promise<void> {
    const stream = await WalsenderStream.open({
      address: { path: `${socketDir}/.s.PGSQL.${port}` },
      parameters: { user: 'cloud_admin', replication: 'true', application_name: this.standbyName },
      commands: [
        `CREATE_REPLICATION_SLOT ${WALPROPOSER} PHYSICAL RESERVE_WAL`,
        `START_REPLICATION SLOT ${WALPROPOSER} PHYSICAL ${Lsn.format(this.receivedLsn)}`,
      ],
      tolerated: [SQLSTATE_DUPLICATE_OBJECT],
      startLsn: this.receivedLsn,
      durableLsn: this.state.commitLsn,
      onWal: (startLsn, bytes) => {
        this.receivedLsn = Lsn.advance(startLsn, bytes.length);
        this.take({ kind: 'walAvailable', startLsn, bytes });
        if (Proposer.holdsWal(this.state)) this.sendHeldSoon();
      },
      onEnd: (reason) => {
        // One that ends before it was ours is noticed below.
        const wasOurs = this.stream !== undefined;
        this.stream = undefined;
        if (wasOurs && this.mayStream) void this.reopenStream(reason);
      },
    });
    if (!this.mayStream) return stream.close();
    if (!stream.isOpen) throw new Unavailable('the WAL stream ended as it began');
    this.stream = stream;
    this.isPaused = false;
    stream.report(this.state.commitLsn);
  }

  private get mayStream(): boolean {
    return !this.isClosed && !this.isDeposed;
  }

  /** W5. Postgres may be shutting down: then the attempts end with `close`. */
  private async reopenStream(reason: string): Promise<void> {
    this.options.log.info({ reason, receivedLsn: Lsn.format(this.receivedLsn) }, 'WAL stream from Postgres ended');
    while (this.mayStream && this.stream === undefined && this.source !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
      if (this.mayStream) await this.openStream(this.source).catch(() => undefined);
    }
  }

  /** One input at a time: what an effect gives rise to at once, as a disconnection does, waits until all are performed. */
  private take(input: ProposerInput): void {
    this.inputs.push(input);
    if (this.isStepping) return;
    this.isStepping = true;
    try {
      for (let next = this.inputs.shift(); next !== undefined; next = this.inputs.shift()) this.step(next);
    } finally {
      this.isStepping = false;
    }
  }

  private step(input: ProposerInput): void {
    if (this.isClosed) return;
    const { state, effects } = Proposer.step(this.state, input);
    this.state = state;
    for (const effect of effects) this.perform(effect);
    this.regulate();
  }

  /** Safekeepers that are equally far are sent the same message: it is encoded once. */
  private frameOf(message: ProposerMessage): Uint8Array {
    if (this.encoded?.message !== message) this.encoded = { message, frame: encodeProposerMessage(message) };
    return this.encoded.frame;
  }

  /** W3. */
  private regulate(): void {
    if (this.stream === undefined) return;
    const pause = !Proposer.wantsWal(this.state);
    if (pause === this.isPaused) return;
    this.isPaused = pause;
    if (pause) this.stream.pause();
    else this.stream.resume();
  }

  private perform(effect: ProposerEffect): void {
    switch (effect.kind) {
      case 'send':
        this.links.send(effect.safekeeper, this.frameOf(effect.message));
        break;
      case 'disconnect':
        this.links.disconnect(effect.safekeeper, effect.reason);
        break;
      case 'refused':
        this.refusals.set(effect.safekeeper, `${effect.code}: ${effect.reason}`);
        this.options.log.warn({ ...effect }, 'refused by a safekeeper');
        break;
      case 'elected':
        this.elected = { term: effect.term, startLsn: effect.startLsn };
        break;
      case 'committed':
        this.onCommitted(effect.lsn);
        break;
      case 'deposed':
        this.isDeposed = true;
        this.stream?.close();
        this.options.onDeposed(effect.term);
        break;
      case 'membershipChanged':
        this.options.log.info({ generation: effect.membership.generation }, 'membership changed');
        this.links.follow(effect.membership);
        break;
      case 'fetchWal':
        void this.fetch(effect);
        break;
      default:
        unreachable(effect);
    }
  }

  private onCommitted(lsn: Lsn): void {
    this.stream?.report(lsn);
    const reached = this.commitWaiters.filter((waiter) => waiter.lsn <= lsn);
    for (const waiter of reached) waiter.settle();
    this.tellCommitSoon();
  }

  private sendHeldSoon(): void {
    this.holdTimer ??= setTimeout(() => {
      this.holdTimer = undefined;
      this.take({ kind: 'idle' });
    }, IDLE_MS);
  }

  /** After the last one of a flow of commits: those before it are told with the WAL of the next. */
  private tellCommitSoon(): void {
    if (this.commitTimer === undefined) this.commitTimer = setTimeout(() => this.take({ kind: 'idle' }), IDLE_MS);
    else this.commitTimer.refresh();
  }

  private async fetch(range: ProposerEffect & { kind: 'fetchWal' }): Promise<void> {
    const { term, startLsn } = range;
    try {
      const bytes = (await this.fetchLocally(range)) ?? (await readDonorWal(this.options, range));
      this.take({ kind: 'walFetched', term, startLsn, bytes });
    } catch (error) {
      this.options.log.warn({ error: String(error), startLsn: Lsn.format(startLsn) }, 'WAL for a lagging safekeeper');
      this.take({ kind: 'fetchFailed', term });
    }
  }

  private async fetchLocally(range: ProposerEffect & { kind: 'fetchWal' }): Promise<Uint8Array | null> {
    if (this.source === undefined || this.elected === undefined || range.startLsn < this.elected.startLsn) return null;
    return readLocalWal(this.source.walDir, range, this.options.spec.walSegmentSize);
  }

  /** The last commit LSN leaves for the safekeepers; then nothing more is done. */
  close(): void {
    if (this.isClosed) return;
    this.take({ kind: 'tick', random: Math.random() });
    this.isClosed = true;
    clearInterval(this.ticker);
    clearTimeout(this.holdTimer);
    clearTimeout(this.commitTimer);
    this.stream?.close();
    this.links.close();
    for (const waiter of this.commitWaiters) waiter.settle(new Unavailable('the walproposer is closed'));
  }
}
