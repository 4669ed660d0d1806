/**
 * The shell around one session: it feeds what happens to the handshake, and performs the effects that come back.
 *
 *   N1  Effects are performed in order, and what they lead to is fed one input at a time.
 *   N2  Whatever happens, sockets, timers and cancel key are given back, and `onClose` is called once.
 *   N3  Logs and spans carry names and sizes, never parameters, passwords, keys or queries.
 *   N4  A bug ends the session that met it, and no other.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { Refusal, unreachable } from '@neon/kernel';
import { MessageReader, ProtocolViolation, decodeStartupPacket } from '@neon/postgres';
import {
  AUTHENTICATION_MESSAGE_SIZE_MAX,
  COMPUTE_TIMEOUT_MS,
  type ControlPlane,
  EARLY_BYTES_MAX,
  type Failure,
  HANDSHAKE_TIMEOUT_MS,
  type Session,
  type SessionEffect,
  type SessionInput,
  type Step,
  beginSession,
  expectationOf,
  isPastAuthentication,
} from '@neon/proxy-core';
import type { Logger } from '@neon/telemetry';
import { deriveSaltedPassword, sessionSecrets } from '../crypto';
import type { ServerCertificate } from '../tls/certificate';
import type { CancelKeys } from './cancel-keys';
import { ClientSocket } from './client-socket';
import { ComputeLink } from './compute-link';
import { HandshakeTrace } from './handshake-trace';
import type { ProxyMetrics } from './proxy-metrics';
import { type SpliceCounts, splice } from './splice';

export interface ConnectionEnvironment {
  readonly step: (session: Session, input: SessionInput) => Step;
  readonly certificate: ServerCertificate;
  readonly controlPlane: ControlPlane;
  readonly cancelKeys: CancelKeys;
  readonly metrics: ProxyMetrics;
  readonly logger: Logger;
}

/** First byte of a TLS record that carries a handshake. */
const TLS_HANDSHAKE = 0x16;

type Effect<K extends SessionEffect['kind']> = Extract<SessionEffect, { kind: K }>;

export class ClientConnection {
  private session: Session;
  private readonly client: ClientSocket;
  private readonly reader = new MessageReader(AUTHENTICATION_MESSAGE_SIZE_MAX);
  private readonly logger: Logger;
  private readonly trace: HandshakeTrace;
  private readonly counts: SpliceCounts = { receivedBytes: 0, sentBytes: 0 };
  private readonly startedAt = performance.now();
  private deadline: NodeJS.Timeout;
  private compute: ComputeLink | null = null;
  private wakeTimer: NodeJS.Timeout | undefined;
  private releaseCancelKey: () => void = () => undefined;
  /** What must end before the client's socket may. */
  private underWay: Promise<void> = Promise.resolve();
  private isReleased = false;

  constructor(
    socket: Socket,
    private readonly environment: ConnectionEnvironment,
    private readonly admission: { isOverLimit: boolean; onClose: (connection: ClientConnection) => void },
  ) {
    const clientAddress = plainAddress(socket.remoteAddress ?? '');
    const { isOverLimit } = admission;
    this.session = beginSession({ clientAddress, isOverLimit, ...sessionSecrets() });
    this.logger = environment.logger.child({ connectionId: randomUUID(), clientAddress });
    this.trace = new HandshakeTrace(environment.metrics, clientAddress);
    this.deadline = setTimeout(() => this.feed({ kind: 'timedOut' }), HANDSHAKE_TIMEOUT_MS);
    this.client = new ClientSocket(socket, {
      onBytes: (chunk) => this.receive(chunk),
      onSecure: (channel) => {
        this.feed({ kind: 'tlsEstablished', channel });
        this.pump();
      },
      onGone: (error) => this.lose(error),
      onClosed: () => {
        this.lose(undefined);
        this.release();
      },
    });
  }

  /** Ends it at once, as far as the other side is concerned. */
  destroy(): void {
    this.client.destroy();
  }

  private lose(error: Error | undefined): void {
    if (error !== undefined && this.session.status === 'encrypting')
      this.environment.metrics.countError('TlsHandshakeFailed');
    this.feed({ kind: 'clientClosed' });
  }

  private receive(chunk: Buffer): void {
    if (this.session.status === 'closed') return;
    this.reader.push(chunk);
    this.pump();
    const isEarly = expectationOf(this.session.status) === 'early';
    if (isEarly && this.reader.bufferedBytes > EARLY_BYTES_MAX) this.client.pause();
  }

  /** Feeds what has been read, as long as the session has a use for it. */
  private pump(): void {
    try {
      for (let input = this.nextInput(); input !== undefined; input = this.nextInput()) this.feed(input);
    } catch (error) {
      if (error instanceof ProtocolViolation) this.feed({ kind: 'clientViolation', violation: error });
      else this.fail(error);
    }
  }

  private nextInput(): SessionInput | undefined {
    switch (expectationOf(this.session.status)) {
      case 'startupPacket': {
        const isTls = this.session.status === 'negotiating' && this.reader.firstByte === TLS_HANDSHAKE;
        if (isTls) return { kind: 'directTls' };
        const bytes = this.reader.nextStartupPacket();
        if (bytes === undefined) return undefined;
        return { kind: 'startupPacket', packet: decodeStartupPacket(bytes), isFollowed: this.reader.bufferedBytes > 0 };
      }
      case 'message': {
        const message = this.reader.next();
        return message === undefined ? undefined : { kind: 'clientMessage', message };
      }
      default:
        return undefined;
    }
  }

  private feed(input: SessionInput): void {
    const before = this.session;
    try {
      const { session, effects } = this.environment.step(before, input);
      this.session = session;
      if (session.status !== before.status) this.onStatus(before);
      if (effects.length > 0) this.client.together(() => effects.forEach((effect) => this.perform(effect)));
    } catch (error) {
      this.fail(error);
    }
  }

  private onStatus(before: Session): void {
    const { status } = this.session;
    this.trace.moveTo(this.session);
    const isDone = status === 'open' || status === 'closed';
    if (isDone || isPastAuthentication(status) !== isPastAuthentication(before.status)) clearTimeout(this.deadline);
    if (!isDone && isPastAuthentication(status) && !isPastAuthentication(before.status))
      this.deadline = setTimeout(() => this.feed({ kind: 'timedOut' }), COMPUTE_TIMEOUT_MS);
  }

  private fail(error: unknown): void {
    this.logger.error({ err: error, status: this.session.status, ...this.trace.names }, 'a session failed by a bug');
    this.environment.metrics.countError('Bug');
    this.compute?.destroy();
    this.client.destroy();
  }

  private perform(effect: SessionEffect): void {
    switch (effect.kind) {
      case 'answerEncryption':
        return this.client.write(effect.letter);
      case 'startTls':
        return this.client.startTls(this.environment.certificate, this.reader.takeRest());
      case 'sendToClient':
        return this.client.write(effect.bytes);
      case 'sendToCompute':
        return this.compute?.write(effect.bytes);
      case 'lookUp':
        return this.lookUp(effect);
      case 'deriveSaltedPassword':
        return this.derive(effect);
      case 'wake':
        if (effect.delayMs === 0) return this.wake(effect.endpointId);
        this.wakeTimer = setTimeout(() => this.wake(effect.endpointId), effect.delayMs);
        return;
      case 'connectCompute':
        return this.connectCompute(effect);
      case 'disconnectCompute':
        return this.disconnectCompute();
      case 'registerCancelKey':
        return this.registerCancelKey(effect);
      case 'forwardCancel':
        return this.forwardCancel(effect);
      case 'reportRefusal':
        return this.report(effect);
      case 'splice':
        return this.splice();
      case 'close':
        this.disconnectCompute();
        void this.underWay.then(() => this.client.finish());
        return;
      default:
        return unreachable(effect);
    }
  }

  private lookUp({ endpointId, role }: Effect<'lookUp'>): void {
    this.settle(
      this.trace.within(() => this.environment.controlPlane.authenticate({ endpointId, role })),
      (credentials) => ({ kind: 'credentials', credentials }),
      (failure) => {
        if (failure.kind === 'unavailable') this.logger.warn({ failure, endpointId }, 'looking up a role failed');
        return { kind: 'lookupFailed', failure };
      },
    );
  }

  private derive({ password, salt, iterations }: Effect<'deriveSaltedPassword'>): void {
    this.settle(
      deriveSaltedPassword(password, { salt, iterations }),
      (saltedPassword) => ({ kind: 'saltedPassword', saltedPassword }),
      (failure) => ({ kind: 'lookupFailed', failure }),
    );
  }

  private wake(endpointId: string): void {
    const { controlPlane, metrics } = this.environment;
    this.settle(
      this.trace.within(() => controlPlane.wake(endpointId)),
      (compute) => {
        metrics.countWake(compute.coldStart ? 'cold' : 'warm');
        return { kind: 'awake', compute };
      },
      (failure) => {
        metrics.countWake('failed');
        this.logger.warn({ failure, ...this.trace.names }, 'waking failed');
        return { kind: 'wakeFailed', failure };
      },
    );
  }

  private settle<T>(
    question: Promise<T>,
    onAnswer: (answer: T) => SessionInput,
    onFailure: (failure: Failure) => SessionInput,
  ): void {
    question
      .then(onAnswer, (error: unknown) => onFailure(failureOf(error)))
      .then((input) => {
        this.feed(input);
        this.pump();
      })
      .catch((error: unknown) => this.fail(error));
  }

  private connectCompute({ compute }: Effect<'connectCompute'>): void {
    this.compute = new ComputeLink(compute, {
      onConnect: () => this.feed({ kind: 'computeConnected' }),
      onMessage: (message) => {
        this.feed({ kind: 'computeMessage', message });
        return this.session.status === 'loggingIn' || this.session.status === 'preparing';
      },
      onLost: (reason) => this.feed({ kind: 'computeLost', reason }),
    });
  }

  private disconnectCompute(): void {
    this.compute?.destroy();
    this.compute = null;
  }

  private registerCancelKey({ clientKey, computeKey, compute }: Effect<'registerCancelKey'>): void {
    this.releaseCancelKey = this.environment.cancelKeys.register(clientKey, { compute, key: computeKey });
  }

  private forwardCancel({ key }: Effect<'forwardCancel'>): void {
    const { cancelKeys, metrics } = this.environment;
    this.underWay = cancelKeys.forward(key).then((outcome) => metrics.countCancel(outcome));
  }

  private report({ code, message }: Effect<'reportRefusal'>): void {
    this.environment.metrics.countError(code);
    this.trace.fail({ code, message });
    this.logger.info({ code, reason: message, ...this.trace.names }, 'client refused');
  }

  private splice(): void {
    if (this.compute === null) return;
    const { socket: compute, unread } = this.compute.release();
    this.compute = null;
    const { metrics } = this.environment;
    metrics.sessionOpened(this.counts);
    this.logger.debug({ ...this.trace.names, handshakeMs: this.trace.elapsedMs() }, 'session open');
    splice({
      client: this.client.release(),
      compute,
      fromClient: this.reader.takeRest(),
      fromCompute: unread,
      counts: this.counts,
      onDoubt: () => {
        metrics.countError('CommitInDoubt');
        this.logger.warn(this.trace.names, 'a commit stopped waiting for its quorum, its client was told so');
      },
      onEnd: () => metrics.sessionClosed(this.counts),
    });
  }

  private release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    clearTimeout(this.deadline);
    clearTimeout(this.wakeTimer);
    this.disconnectCompute();
    this.releaseCancelKey();
    this.trace.end();
    const durationMs = Math.round(performance.now() - this.startedAt);
    if (this.session.status === 'open')
      this.logger.info({ ...this.trace.names, ...this.counts, durationMs }, 'session ended');
    this.admission.onClose(this);
  }
}

/** An IPv4 client of an IPv6 socket in its own form; an IPv6 address without its zone. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

function failureOf(error: unknown): Failure {
  if (error instanceof Refusal) return { kind: 'refused', code: error.code, message: error.message };
  return { kind: 'unavailable', message: error instanceof Error ? error.message : String(error) };
}
