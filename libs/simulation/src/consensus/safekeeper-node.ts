/**
 * A safekeeper in the simulated world: a process that comes and goes, a disk that may be lost, at most one timeline on it,
 * and the management requests that change its membership, each of which may be lost, late, or come twice.
 */
import {
  AcceptorState,
  type AcceptorMessage,
  type AcceptorPosition,
  type DurableAcceptorState,
  FRAME_SIZE_MAX,
  type Member,
  Membership,
  type Presence,
  type ProposerMessage,
  type RefusalCode,
  type RemovedTimeline,
  type RequestId,
  type SessionId,
  type SettledMembership,
  TermHistory,
  admit,
  admitRemoval,
  decodeProposerMessage,
  encodeAcceptorMessage,
  isAbsentFor,
  isRemovable,
  membershipToTell,
  positionOfRemoved,
} from '@neon/consensus';
import { FrameDecoder, type Lsn, type SafekeeperId, Term, unreachable } from '@neon/kernel';
import type { Connection } from '../network';
import type { SeededRandom } from '../seeded-random';
import { AcceptorNode, type AcceptorListener, type AcceptorWorld } from './acceptor-node';
import type { DiskState } from './checker';

export type ManagementRequest =
  | { readonly kind: 'create'; readonly incarnation: string; readonly membership: Membership }
  | { readonly kind: 'seed'; readonly incarnation: string; readonly membership: Membership; readonly donor: Member }
  | {
      readonly kind: 'configure';
      readonly incarnation: string;
      readonly membership: Membership;
      readonly minTerm: Term;
    }
  | { readonly kind: 'remove'; readonly incarnation: string; readonly membership: SettledMembership }
  | { readonly kind: 'delete' };

export type ManagementAnswer =
  | { readonly kind: 'position'; readonly position: AcceptorPosition }
  | { readonly kind: 'absent' }
  | { readonly kind: 'ok' }
  | { readonly kind: 'refused'; readonly reason: string };

type Reply = (answer: ManagementAnswer) => void;

export interface SafekeeperWorld extends AcceptorWorld {
  readonly created: (id: SafekeeperId, membership: Membership) => DurableAcceptorState;
  readonly node: (id: SafekeeperId) => SafekeeperNode | undefined;
  readonly isCut: (a: string, b: string) => boolean;
}

export const FIRST_GENERATION = 1;

const diskNumber = (id: SafekeeperId, life: number): string => `disk ${life} of ${id}`;
export const firstDisk = (id: SafekeeperId): string => diskNumber(id, 1);

const RESTART_MAX_MS = 200;
const SEED_PAUSE_MAX_MS = 30;
const DELETE_DELAY_MAX_MS = 5;
const REMOVE_DELAY_MAX_MS = 5;
const LEARN_DELAY_MAX_MS = 10;
const LEARN_TWICE_RATE = 0.1;
const LEARN_SIZE_MAX = 1_500;
const LEARN_PIECES = 6;

interface Session {
  readonly connection: Connection;
  /** The timeline that it talks to, once its first message has come. */
  acceptor: AcceptorNode | undefined;
}

export class SafekeeperNode implements AcceptorListener {
  readonly name: string;
  private isUpNow = true;
  private life = 0;
  private lifeOfDisk = 1;
  private acceptor: AcceptorNode | undefined;
  private isDeleted = false;
  /** What is left where the timeline was removed; it stays when the timeline comes back. */
  private removed: RemovedTimeline | undefined;
  /** What was on each disk before it was lost, or the timeline removed or deleted there: in that order. */
  private readonly lost = new Map<string, DiskState[]>();
  private sessions = new Map<SessionId, Session>();
  private nextSession: SessionId = 1;
  private requests = new Map<RequestId, Reply>();
  private nextRequest: RequestId = 1;

  constructor(
    private readonly world: SafekeeperWorld,
    readonly id: SafekeeperId,
  ) {
    this.name = `sk${id}`;
  }

  /** The disk that is there now. */
  get self(): Member {
    const life = this.world.mutant.isMadeAgain === true ? 1 : this.lifeOfDisk;
    return { safekeeperId: this.id, incarnation: diskNumber(this.id, life) };
  }

  get isUp(): boolean {
    return this.isUpNow;
  }

  get presence(): Presence {
    if (this.isDeleted) return 'deleted';
    return this.acceptor === undefined ? (this.removed ?? 'absent') : 'present';
  }

  get state(): AcceptorState | undefined {
    return this.acceptor?.state;
  }

  /** The log as it reads now. */
  get log(): Uint8Array | undefined {
    return this.acceptor?.content;
  }

  /**
   * What a disk of this safekeeper holds, or held when it was lost; where the timeline was removed and came back, the life of it that
   * reached the generation first. The first disk is the one of a founding membership.
   */
  diskOf(incarnation = firstDisk(this.id), generation = FIRST_GENERATION): DiskState | undefined {
    const present = incarnation === this.self.incarnation ? this.acceptor?.disk : undefined;
    const lives = [...(this.lost.get(incarnation) ?? []), ...(present === undefined ? [] : [present])];
    return lives.find(({ control }) => control.membership.generation >= generation) ?? lives.at(-1);
  }

  /** A timeline without WAL. */
  found(membership: Membership): void {
    this.make(this.world.created(this.id, membership), new Uint8Array(0));
  }

  accept(connection: Connection): void {
    const session = this.nextSession++;
    const decoder = new FrameDecoder(FRAME_SIZE_MAX);
    const { life } = this;
    this.sessions.set(session, { connection, acceptor: undefined });
    connection.attach(1, {
      onMessage: (bytes) => {
        if (life !== this.life) return;
        for (const frame of decoder.push(bytes)) this.receive(session, frame);
      },
      onClosed: () => {
        const acceptor = this.sessions.get(session)?.acceptor;
        if (life === this.life && this.sessions.delete(session)) acceptor?.input({ kind: 'disconnected', session });
      },
    });
  }

  private receive(id: SessionId, frame: Parameters<typeof decodeProposerMessage>[0]): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    if (this.isDeleted) return this.refuse(id, 'TimelineDeleted');
    const message = decodeProposerMessage(frame);
    if (this.acceptor === undefined && message.kind === 'greetingRequest' && this.redirect(id, message)) return;
    session.acceptor ??= this.acceptor;
    if (session.acceptor === undefined || session.acceptor !== this.acceptor) return this.refuse(id, 'TimelineUnknown');
    session.acceptor.input({ kind: 'received', session: id, message });
  }

  /** Where the timeline was removed, an earlier proposer is told the membership that followed, and no more. */
  private redirect(session: SessionId, { membership: asked }: ProposerMessage & { kind: 'greetingRequest' }): boolean {
    const membership = membershipToTell(this.presence, asked);
    if (membership === undefined) return false;
    this.send(session, { kind: 'greetingResponse', membership, ...this.self, term: Term.ZERO });
    this.close(session);
    return true;
  }

  private refuse(session: SessionId, code: RefusalCode): void {
    this.send(session, { kind: 'sessionRefused', code, reason: '' });
    this.close(session);
  }

  send(session: SessionId, message: AcceptorMessage): void {
    this.sessions.get(session)?.connection.send(1, encodeAcceptorMessage(message));
  }

  close(session: SessionId): void {
    this.sessions.get(session)?.connection.close();
  }

  answer(request: RequestId, position: AcceptorPosition): void {
    this.requests.get(request)?.({ kind: 'position', position });
    this.requests.delete(request);
  }

  die(): void {
    this.crash();
    this.world.scheduler.after(this.world.random.unit() * RESTART_MAX_MS, () => this.restart());
  }

  crash(): void {
    if (!this.isUpNow) return;
    this.isUpNow = false;
    this.life++;
    for (const { connection } of this.sessions.values()) connection.close();
    this.sessions = new Map();
    this.requests = new Map();
    this.acceptor?.crash();
  }

  /** With its disk go its votes and its WAL. What comes back is another disk, with nothing on it. */
  loseDisk(): void {
    this.crash();
    const { incarnation } = this.self;
    this.bury(incarnation);
    this.isDeleted = false;
    this.removed = undefined;
    this.lifeOfDisk++;
  }

  /** What it confirmed before may still be on its way. */
  private bury(incarnation: string): void {
    if (this.acceptor === undefined) return;
    this.lost.set(incarnation, [...(this.lost.get(incarnation) ?? []), this.acceptor.disk]);
    this.acceptor.crash();
    this.acceptor = undefined;
  }

  restart(): void {
    if (this.isUpNow) return;
    this.isUpNow = true;
    if (this.acceptor === undefined && this.lost.size > 0 && this.world.mutant.isMadeAgain === true)
      this.found(Membership.founding(FIRST_GENERATION));
    this.acceptor?.restart();
  }

  handle(request: ManagementRequest, reply: Reply): void {
    if (!this.isUpNow) return;
    const { life } = this;
    const answer: Reply = (what) => {
      if (life === this.life) reply(what);
    };
    switch (request.kind) {
      case 'create':
        return this.admitted(request, answer, () => {
          this.found(request.membership);
          answer({ kind: 'ok' });
        });
      case 'seed':
        return this.admitted(request, answer, () => this.copyFrom(request, answer));
      case 'configure':
        return this.configure(request, answer);
      case 'remove':
        return this.remove(request, answer);
      case 'delete':
        return this.delete(answer);
      default:
        return unreachable(request);
    }
  }

  private admitted(request: ManagementRequest & { kind: 'create' | 'seed' }, reply: Reply, make: () => void): void {
    const { mutant } = this.world;
    const isForgotten = this.isDeleted ? mutant.isTombstoneForgotten : mutant.isRemovalForgotten;
    const presence = isForgotten === true && this.acceptor === undefined ? 'absent' : this.presence;
    const admission = admit(presence, request, this.self);
    if (admission !== 'make')
      return reply(admission === 'keep' ? { kind: 'ok' } : { kind: 'refused', reason: admission });
    make();
  }

  private configure(request: ManagementRequest & { kind: 'configure' }, reply: Reply): void {
    if (request.incarnation !== this.self.incarnation) return reply({ kind: 'refused', reason: 'WrongIncarnation' });
    if (this.isDeleted) return reply({ kind: 'refused', reason: 'TimelineDeleted' });
    const { presence } = this;
    if (this.acceptor === undefined)
      return reply(
        typeof presence === 'object' && !isAbsentFor(presence, request.membership)
          ? { kind: 'position', position: positionOfRemoved(presence) }
          : { kind: 'absent' },
      );
    const id = this.nextRequest++;
    this.requests.set(id, reply);
    const { membership, minTerm } = request;
    this.acceptor.input({ kind: 'configure', request: id, membership, minTerm });
  }

  /** The log is copied while the donor works; only a donor of the same term and history afterwards has held all of it. */
  private copyFrom(request: ManagementRequest & { kind: 'seed' }, reply: Reply): void {
    const donor = this.donor(request.donor);
    if (donor === undefined) return;
    const control = AcceptorState.durable(donor.state);
    const { flushLsn } = donor.state;
    const half = donor.content.slice(0, flushLsn >> 1);
    const { life } = this;
    this.world.scheduler.after(this.world.random.unit() * SEED_PAUSE_MAX_MS, () => {
      if (life !== this.life || !this.isUpNow) return;
      if (this.donor(request.donor) !== donor || donor.state.term !== control.term) return;
      if (!TermHistory.equal(donor.state.termHistory, control.termHistory)) return;
      const log = donor.content.slice(0, flushLsn);
      log.set(half);
      const { membership } = request;
      this.admitted(request, reply, () => {
        this.make(AcceptorState.seed(control, { safekeeperId: this.id, membership, flushLsn }), log);
        reply({ kind: 'ok' });
      });
    });
  }

  /**
   * What another one knows to be committed, as the real shell asks for it: in several requests, of which each may be late or come
   * twice, while anything may happen here and there.
   */
  learnFrom(peer: SafekeeperNode, random: SeededRandom): void {
    const { acceptor, life } = this;
    const source = peer.isUp && !this.world.isCut(this.name, peer.name) ? peer.acceptor : undefined;
    if (acceptor === undefined || source === undefined || !this.isUpNow) return;
    const { termHistory, commitLsn, flushLsn } = source.state;
    const endLsn = this.world.mutant.isLearningUncommitted === true ? flushLsn : commitLsn;
    const log = source.content.slice(0, endLsn);
    const later = (step: () => void): void =>
      this.world.scheduler.after(random.unit() * LEARN_DELAY_MAX_MS, () => {
        if (life === this.life && acceptor === this.acceptor) step();
      });
    const tell = (startLsn: Lsn, bytes: Uint8Array): void => {
      const input = { kind: 'learned', termHistory, endLsn, startLsn, bytes } as const;
      later(() => acceptor.input(input));
      if (random.chance(LEARN_TWICE_RATE)) later(() => acceptor.input(input));
    };
    tell(endLsn, new Uint8Array(0));
    const ask = (left: number): void =>
      later(() => {
        const { writeLsn } = acceptor.state;
        tell(writeLsn, log.slice(writeLsn, writeLsn + random.between(1, LEARN_SIZE_MAX)));
        if (left > 0) ask(left - 1);
      });
    ask(LEARN_PIECES);
  }

  private donor(member: Member): AcceptorNode | undefined {
    const node = this.world.node(member.safekeeperId);
    if (node === undefined || !node.isUp || this.world.isCut(this.name, node.name)) return undefined;
    return node.self.incarnation === member.incarnation ? node.acceptor : undefined;
  }

  private make(control: DurableAcceptorState, log: Uint8Array): void {
    const { checker } = this.world;
    checker.onMade(this.self, { membership: control.membership, isDeleted: this.isDeleted });
    this.isDeleted = false;
    this.acceptor = new AcceptorNode(this.world, this, this.self, { control, log });
  }

  /** The acceptor takes the membership on; a moment later its tombstone is durable, and it is gone. */
  private remove(request: ManagementRequest & { kind: 'remove' }, reply: Reply): void {
    const { acceptor, life } = this;
    const { mutant, scheduler, random } = this.world;
    const admission = admitRemoval(request, this.self);
    if (admission !== 'ask') return reply({ kind: 'refused', reason: admission });
    if (this.isDeleted) return reply({ kind: 'ok' });
    const { membership } = request;
    const finish = (): void => {
      if (life !== this.life || acceptor !== this.acceptor) return;
      const isDue = acceptor === undefined || isRemovable(acceptor.state.membership, request);
      if (!isDue && mutant.isRemovedLate !== true) return reply({ kind: 'refused', reason: 'MembershipSuperseded' });
      if (acceptor !== undefined || isAbsentFor(this.presence, membership)) {
        this.bury(this.self.incarnation);
        this.removed = { membership };
        this.world.checker.onRemoved(this.self, { membership, wasThere: acceptor !== undefined });
      }
      for (const session of this.sessions.keys()) this.refuse(session, 'TimelineUnknown');
      reply({ kind: 'ok' });
    };
    const finishSoon = (): void => scheduler.after(random.unit() * REMOVE_DELAY_MAX_MS, finish);
    if (acceptor === undefined) return finishSoon();
    const id = this.nextRequest++;
    this.requests.set(id, finishSoon);
    acceptor.input({ kind: 'configure', request: id, membership, minTerm: Term.ZERO });
  }

  private delete(reply: Reply): void {
    const { life } = this;
    this.world.scheduler.after(this.world.random.unit() * DELETE_DELAY_MAX_MS, () => {
      if (life !== this.life) return;
      this.isDeleted = true;
      this.bury(this.self.incarnation);
      for (const session of this.sessions.keys()) this.refuse(session, 'TimelineDeleted');
      reply({ kind: 'ok' });
    });
  }
}
