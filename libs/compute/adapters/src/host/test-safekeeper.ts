/** For specs: a safekeeper whose disk is memory, around the real acceptor, on a real TCP port. */
import {
  Acceptor,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorMessage,
  AcceptorState,
  FRAME_SIZE_MAX,
  Membership,
  type PageserverPositions,
  type SessionId,
  type TimelineIdentity,
  decodeProposerMessage,
  encodeAcceptorMessage,
} from '@neon/consensus';
import { freePort } from '@neon/free-port';
import { FrameDecoder, type Lsn, SafekeeperId, Term, unreachable } from '@neon/kernel';
import { type PostgresMajor, WalBoundaryTracker } from '@neon/postgres';
import { type Server, type Socket, createServer } from 'node:net';

export class TestSafekeeper {
  state: AcceptorState;
  private pieces: Uint8Array[] = [];
  /** Bytes appended since the timeline's start. */
  size = 0;
  private readonly logStartLsn: Lsn;
  private tracker: WalBoundaryTracker;
  private server: Server | undefined;
  private readonly sessions = new Map<SessionId, Socket>();
  private lastSession = 0;
  private isFlushing = false;
  port = 0;
  /** What its answers say of a pageserver, and of itself. */
  pageserver: PageserverPositions | undefined;
  fullness: number | undefined;

  constructor(
    readonly id: number,
    private readonly identity: TimelineIdentity,
    startLsn: Lsn,
  ) {
    this.logStartLsn = startLsn;
    this.tracker = this.trackerFrom(startLsn);
    this.state = AcceptorState.recover(
      AcceptorState.create({
        safekeeperId: SafekeeperId.of(id),
        identity,
        membership: Membership.founding(1),
        startLsn,
        term: Term.ZERO,
      }),
      { flushLsn: startLsn, incarnation: `disk of ${id}` },
    );
  }

  /** Again on the port it had, if it had one. */
  async start(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    const server = createServer({ noDelay: true }, (socket) => this.serve(socket));
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.server = server;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server?.close(() => resolve()) ?? resolve());
    for (const socket of this.sessions.values()) socket.destroy();
    await closed;
    this.server = undefined;
  }

  /** What was appended, from the timeline's start on. */
  get wal(): Buffer {
    return Buffer.concat(this.pieces);
  }

  get lastRecordLsn(): Lsn {
    return this.tracker.lastRecordLsn;
  }

  get isConnected(): boolean {
    return this.sessions.size > 0;
  }

  get isLed(): boolean {
    return this.state.leader !== undefined;
  }

  /** Connections that were ever made to it. */
  get sessionCount(): number {
    return this.lastSession;
  }

  /** As whoever changes the membership does it. */
  configure(membership: Membership): void {
    this.take({ kind: 'configure', request: 1, membership, minTerm: Term.ZERO });
  }

  private serve(socket: Socket): void {
    const session = ++this.lastSession;
    const frames = new FrameDecoder(FRAME_SIZE_MAX);
    this.sessions.set(session, socket);
    socket.on('data', (chunk) => {
      for (const frame of frames.push(chunk))
        this.take({ kind: 'received', session, message: decodeProposerMessage(frame) });
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.sessions.delete(session);
      this.take({ kind: 'disconnected', session });
    });
  }

  private take(input: AcceptorInput): void {
    const { state, effects } = Acceptor.step(this.state, input);
    this.state = state;
    for (const effect of effects) this.perform(effect);
  }

  private perform(effect: AcceptorEffect): void {
    switch (effect.kind) {
      case 'write': {
        this.pieces.push(effect.bytes);
        this.size += effect.bytes.length;
        const recordEndLsn = this.tracker.push(Buffer.from(effect.bytes));
        this.take({ kind: 'written', endLsn: this.tracker.receivedLsn, recordEndLsn });
        this.flushSoon();
        break;
      }
      case 'truncate':
        this.size = effect.endLsn - this.logStartLsn;
        this.pieces = [this.wal.subarray(0, this.size)];
        this.tracker = this.trackerFrom(effect.endLsn);
        break;
      case 'send':
        this.sessions.get(effect.session)?.write(encodeAcceptorMessage(this.withFeedback(effect.message)));
        break;
      case 'refuse': {
        const { code, reason } = effect;
        this.sessions.get(effect.session)?.end(encodeAcceptorMessage({ kind: 'sessionRefused', code, reason }));
        break;
      }
      case 'flush':
      case 'persist':
      case 'answer':
        break;
      default:
        unreachable(effect);
    }
  }

  private withFeedback(message: AcceptorMessage): AcceptorMessage {
    if (message.kind !== 'appendResponse') return message;
    const { pageserver, fullness } = this;
    return {
      ...message,
      ...(fullness === undefined ? {} : { fullness }),
      ...(pageserver === undefined ? {} : { pageserver }),
    };
  }

  private flushSoon(): void {
    if (this.isFlushing) return;
    this.isFlushing = true;
    setImmediate(() => {
      this.isFlushing = false;
      const { receivedLsn: endLsn, endLsn: recordEndLsn } = this.tracker;
      this.take({ kind: 'flushed', endLsn, recordEndLsn, truncationCount: this.state.truncationCount });
    });
  }

  private trackerFrom(startLsn: Lsn): WalBoundaryTracker {
    const { pgMajor, walSegmentSize: segmentSize } = this.identity;
    return new WalBoundaryTracker({ major: pgMajor as PostgresMajor, segmentSize, startLsn });
  }
}
