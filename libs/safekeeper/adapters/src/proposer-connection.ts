/**
 * One proposer's connection: frames in, frames out (`docs/protocols/safekeeper.md`).
 *
 *   PC1  Nothing reaches a timeline before the greeting's token was verified for it.
 *   PC2  Bytes that are not the protocol end the connection with a log line; nothing else notices.
 *   PC3  Memory is bounded: reading pauses while the timeline has too much queued, and a peer that does not read its
 *        answers is dropped.
 *   PC4  Who has not said who it is within GREETING_TIMEOUT_MS is sent away, however slowly it speaks.
 *   PC5  Where the timeline was removed, a proposer of an earlier membership is told the one that followed, and nothing else (L6).
 */
import type { Socket } from 'node:net';
import {
  type AcceptorMessage,
  FRAME_SIZE_MAX,
  type GreetingRequest,
  type Membership,
  type ProposerMessage,
  type RefusalCode,
  type SessionId,
  VersionUnsupported,
  decodeProposerMessage,
  encodeAcceptorMessage,
  membershipToTell,
} from '@neon/consensus';
import { FrameDecoder, Refusal, Term, Unavailable } from '@neon/kernel';
import type { Safekeeper, Timeline } from '@neon/safekeeper-core';
import type { TokenVerifier } from '@neon/service-token';
import type { Logger } from '@neon/telemetry';
import { ElectionSpan } from './election-span';

export interface ProposerConnectionContext {
  readonly safekeeper: Safekeeper;
  readonly tokens: TokenVerifier;
  readonly logger: Logger;
}

const GREETING_TIMEOUT_MS = 10_000;
/** A greeting with a token fits easily; until it is verified, a stranger may make us hold no more. */
const GREETING_BYTES_MAX = 16 * 1024;
/** Answers are small but for one with a long history; this many bytes unread mean that the peer has stopped reading. */
const UNSENT_BYTES_MAX = FRAME_SIZE_MAX + 1024 * 1024;

export function serveProposer(socket: Socket, context: ProposerConnectionContext): void {
  const connection = new ProposerConnection(socket, context);
  const timer = setTimeout(() => connection.end('no greeting in time'), GREETING_TIMEOUT_MS);
  socket.on('data', (chunk) => connection.onData(chunk));
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    connection.onClose();
  });
}

class ProposerConnection {
  private readonly decoder = new FrameDecoder(FRAME_SIZE_MAX);
  private readonly received: ProposerMessage[] = [];
  private timeline: Timeline | undefined;
  private session: SessionId | undefined;
  private election: ElectionSpan | undefined;
  private receivedBytes = 0;
  private isBusy = false;
  private isOver = false;
  private logger: Logger;

  constructor(
    private readonly socket: Socket,
    private readonly context: ProposerConnectionContext,
  ) {
    this.logger = context.logger.child({ peer: `${socket.remoteAddress}:${socket.remotePort}` });
  }

  onData(chunk: Uint8Array): void {
    if (this.isOver) return;
    this.receivedBytes += chunk.length;
    if (this.timeline === undefined && this.receivedBytes > GREETING_BYTES_MAX)
      return this.refuse('MalformedMessage', `more than ${GREETING_BYTES_MAX} bytes before the greeting`);
    try {
      for (const frame of this.decoder.push(chunk)) this.received.push(decodeProposerMessage(frame));
    } catch (error) {
      const code = error instanceof VersionUnsupported ? 'VersionUnsupported' : 'MalformedMessage';
      return this.refuse(code, error instanceof Error ? error.message : String(error));
    }
    if (!this.isBusy) void this.work();
  }

  onClose(): void {
    this.isOver = true;
    this.election?.end('connection closed');
    if (this.timeline === undefined || this.session === undefined) return;
    this.timeline.detach(this.session);
    this.logger.info('proposer disconnected');
  }

  end(reason: string): void {
    if (this.timeline === undefined) this.refuse('MalformedMessage', reason);
  }

  /** Handles what has arrived; never two at a time, so messages keep their order. */
  private async work(): Promise<void> {
    this.isBusy = true;
    this.socket.cork();
    for (let message = this.received.shift(); message !== undefined && !this.isOver; message = this.received.shift()) {
      if (this.timeline === undefined || this.session === undefined) {
        this.socket.pause();
        await this.open(message);
        this.socket.resume();
        continue;
      }
      this.timeline.receive(this.session, message);
      const relief = this.timeline.relief();
      if (relief === undefined) continue;
      this.socket.pause();
      await relief;
      this.socket.resume();
    }
    this.socket.uncork();
    this.isBusy = false;
  }

  /** PC1. */
  private async open(message: ProposerMessage): Promise<void> {
    if (message.kind !== 'greetingRequest')
      return this.refuse('MalformedMessage', `${message.kind} before the greeting`);
    const { tenantId, timelineId } = message.identity;
    try {
      await this.authorize(message);
      const presence = await this.context.safekeeper.presence({ tenantId, timelineId });
      if (this.isOver) return;
      if (presence === 'deleted') throw new Refusal('TimelineDeleted', 'the timeline was deleted');
      const membership = membershipToTell(presence, message.membership);
      if (membership !== undefined) return this.redirect(membership);
      const timeline = this.context.safekeeper.get({ tenantId, timelineId });
      this.logger = this.logger.child({ tenantId, timelineId });
      this.timeline = timeline;
      this.election = new ElectionSpan(message, { safekeeperId: this.context.safekeeper.id });
      this.session = timeline.attach({
        send: (answer) => {
          this.election?.answered(answer);
          this.write(encodeAcceptorMessage(answer));
        },
        refuse: (code, reason) => this.refuse(code, reason),
      });
      this.logger.info('proposer connected');
      timeline.receive(this.session, message);
    } catch (error) {
      this.refuse(...refusalOf(error));
    }
  }

  /** PC5. */
  private redirect(membership: Membership): void {
    const { id: safekeeperId, incarnation } = this.context.safekeeper.identity;
    this.logger.info({ generation: membership.generation }, 'proposer told of a later membership');
    this.finish({ kind: 'greetingResponse', membership, safekeeperId, incarnation, term: Term.ZERO });
  }

  private async authorize({ identity, token }: GreetingRequest): Promise<void> {
    const claims = await this.context.tokens.verify(token);
    const isFor =
      claims.scope === 'timeline' && claims.tenantId === identity.tenantId && claims.timelineId === identity.timelineId;
    if (!isFor) throw new Refusal('Unauthorized', 'the token is not for this timeline');
  }

  private write(bytes: Uint8Array): void {
    if (this.isOver) return;
    this.socket.write(bytes);
    if (this.socket.writableLength <= UNSENT_BYTES_MAX) return;
    this.logger.warn('proposer does not read its answers: connection dropped');
    this.isOver = true;
    this.socket.destroy();
  }

  private refuse(code: RefusalCode, reason: string): void {
    if (this.isOver) return;
    this.election?.end(code);
    this.logger.warn({ code, reason }, 'proposer refused');
    this.finish({ kind: 'sessionRefused', code, reason });
  }

  /** The last message. */
  private finish(message: AcceptorMessage): void {
    this.isOver = true;
    this.socket.end(encodeAcceptorMessage(message));
    // A peer that keeps its side open is not waited for.
    this.socket.setTimeout(1_000, () => this.socket.destroy());
    this.socket.uncork();
  }
}

function refusalOf(error: unknown): [RefusalCode, string] {
  if (error instanceof Refusal && error.code === 'Unauthorized') return ['Unauthorized', error.message];
  if (error instanceof Refusal && error.code === 'TimelineUnknown') return ['TimelineUnknown', error.message];
  if (error instanceof Refusal && error.code === 'TimelineDeleted') return ['TimelineDeleted', error.message];
  const reason = error instanceof Unavailable ? error.message : 'internal error';
  return ['StorageUnavailable', reason];
}
