/**
 * One reader of WAL over Postgres' streaming replication protocol: a pageserver, a replica, a leader that recovers.
 *
 *   RC1  A reader is sent committed WAL only; with `term` in its options, durable WAL while that term lasts.
 *   RC2  WAL is sent in order, without gaps, beginning exactly where the reader asked. A message ends where a record or a page
 *        of WAL does: a standby's startup process reads a record as soon as it sees the part of it on a page.
 *   RC3  Memory is bounded: nothing more is read while the socket has not taken what was sent.
 *   RC4  WAL leaves at once for a reader that is sent little; a reader of a steady flow is sent it in batches, every
 *        SEND_INTERVAL_MS, and in full pieces whenever there is one. Commits do not pay for their readers one by one.
 *   RC5  Bytes that are not the protocol end the connection with a log line; nothing else notices.
 *   RC6  What a pageserver says it has, and below which it never asks again, is passed on; no other reader is believed that.
 *   RC7  Who has not said who it is within STARTUP_TIMEOUT_MS is sent away, however slowly it speaks; so is a reader that says
 *        nothing for `readerSilenceMs`, though it was asked to: WAL is kept for as long as its reader is there.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteReadError, Lsn, Refusal, Unavailable } from '@neon/kernel';
import {
  MessageReader,
  ProtocolViolation,
  WAL_PAGE_SIZE,
  type WireMessage,
  decodePasswordMessage,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeErrorResponse,
  startupPacketLength,
  tagOf,
} from '@neon/postgres';
import { type ReaderProgress, READ_SIZE_MAX, type Safekeeper, type Timeline } from '@neon/safekeeper-core';
import { AcceptorState } from '@neon/consensus';
import type { TokenVerifier } from '@neon/service-token';
import type { Logger } from '@neon/telemetry';
import type { ReaderRegistry } from './reader-registry';
import {
  type ReplicationTarget,
  decodeStandbyStatus,
  encodeCommandComplete,
  encodeCopyBoth,
  encodeCopyDone,
  encodeKeepalive,
  encodeRow,
  encodeXLogDataHeader,
  parseCommand,
  parseTarget,
} from './replication-protocol';

export interface ReplicationConnectionContext {
  readonly safekeeper: Safekeeper;
  readonly tokens: TokenVerifier;
  readonly readers: ReaderRegistry;
  readonly logger: Logger;
  readonly readerSilenceMs?: number;
}

/** Readers send status and commands, never WAL. */
const MESSAGE_SIZE_MAX = 64 * 1024;
const STARTUP_TIMEOUT_MS = 10_000;
const KEEPALIVE_MS = 10_000;
/** As Postgres' own wal_sender_timeout. */
const READER_SILENCE_MS = 60_000;
/** A reader's delay at most, in a flow of commits; far below what anybody who waits for a pageserver notices. */
const SEND_INTERVAL_MS = 5;

const READY = encodeBackendMessage({ kind: 'readyForQuery', status: 'idle' });

export function serveReplication(socket: Socket, context: ReplicationConnectionContext): void {
  const logger = context.logger.child({ peer: `${socket.remoteAddress}:${socket.remotePort}` });
  const abort = new AbortController();
  socket.on('error', () => socket.destroy());
  socket.on('close', () => abort.abort());
  const refuse = (error: unknown): void => {
    if (abort.signal.aborted || socket.writableEnded) return;
    const { sqlState, message } = describe(error);
    logger.warn({ sqlState, reason: message }, 'replication connection ended');
    socket.end(encodeErrorResponse({ severity: 'FATAL', sqlState, message }));
    // A peer that does not read this, or keeps its side open, is not waited for.
    socket.setTimeout(1_000, () => socket.destroy());
  };
  const late = new ProtocolViolation('no startup packet and password in time');
  const timer = setTimeout(() => refuse(late), STARTUP_TIMEOUT_MS);
  abort.signal.addEventListener('abort', () => clearTimeout(timer));
  const connection = new ReplicationConnection(socket, { ...context, logger }, abort.signal);
  connection.run(() => clearTimeout(timer)).catch(refuse);
}

class ReplicationConnection {
  private readonly messages = new MessageReader(MESSAGE_SIZE_MAX);
  private isPageserver = false;
  private heardMs = 0;
  private progress: ReaderProgress = { name: '', sentLsn: Lsn.ZERO, flushLsn: Lsn.ZERO, applyLsn: Lsn.ZERO };

  constructor(
    private readonly socket: Socket,
    private readonly context: ReplicationConnectionContext,
    private readonly signal: AbortSignal,
  ) {}

  /** @param greeted called when it is known who the reader is */
  async run(greeted: () => void): Promise<void> {
    const parameters = await this.startup();
    if (parameters === undefined) return;
    const target = parseTarget(parameters);
    await this.authenticate(target);
    const timeline = this.context.safekeeper.get(target);
    greeted();
    this.greet(timeline);
    for (;;) {
      const message = await this.nextMessage();
      if (message === undefined || message.tag === tagOf('X')) return void this.socket.end();
      if (message.tag !== tagOf('Q')) throw new ProtocolViolation(`unexpected message type ${message.tag}`);
      await this.query(timeline, target, textOf(message.payload));
    }
  }

  /** Undefined when the peer left, or wanted to cancel something: nothing here can be cancelled. */
  private async startup(): Promise<Map<string, string> | undefined> {
    let bytes: Buffer = Buffer.alloc(0);
    for (;;) {
      const length = startupPacketLength(bytes);
      if (length === undefined || bytes.length < length) {
        const chunk = await this.nextChunk();
        if (chunk === undefined) return undefined;
        bytes = Buffer.concat([bytes, chunk]);
        continue;
      }
      const packet = decodeStartupPacket(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
      if (packet.kind === 'cancelRequest') return void this.socket.end();
      if (packet.kind === 'startup') {
        this.messages.push(bytes);
        return new Map(packet.parameters);
      }
      // TLS between services is the network's business: it is declined, and the client may go on in the clear.
      this.socket.write('N');
    }
  }

  private async authenticate(target: ReplicationTarget): Promise<void> {
    this.socket.write(encodeBackendMessage({ kind: 'authenticationCleartextPassword' }));
    const message = await this.nextMessage();
    if (message === undefined) throw new Unavailable('the reader left');
    const claims = await this.context.tokens.verify(decodePasswordMessage(message));
    const { tenantId, timelineId } = target;
    const isFor =
      claims.scope === 'storage' ||
      (claims.scope === 'timeline' && claims.tenantId === tenantId && claims.timelineId === timelineId);
    if (!isFor) throw new Refusal('Unauthorized', 'the token is not for this timeline');
    this.isPageserver = claims.scope === 'storage' && target.term === undefined;
  }

  private greet(timeline: Timeline): void {
    const parameters = {
      server_version: `${timeline.state.identity.pgMajor}.0`,
      server_encoding: 'UTF8',
      client_encoding: 'UTF8',
      DateStyle: 'ISO, MDY',
      integer_datetimes: 'on',
      standard_conforming_strings: 'on',
    };
    this.socket.cork();
    this.socket.write(encodeBackendMessage({ kind: 'authenticationOk' }));
    for (const [name, value] of Object.entries(parameters))
      this.socket.write(encodeBackendMessage({ kind: 'parameterStatus', name, value }));
    this.socket.write(encodeBackendMessage({ kind: 'backendKeyData', key: { processId: 0, secret: 0 } }));
    this.socket.write(READY);
    this.socket.uncork();
  }

  private async query(timeline: Timeline, target: ReplicationTarget, text: string): Promise<void> {
    const command = parseCommand(text);
    switch (command.kind) {
      case 'identifySystem':
        this.socket.write(
          encodeRow(
            [
              { name: 'systemid', type: 'text', value: timeline.state.identity.systemId },
              { name: 'timeline', type: 'int4', value: '1' },
              { name: 'xlogpos', type: 'text', value: Lsn.format(timeline.readableLsn(target.term)) },
              { name: 'dbname', type: 'text', value: null },
            ],
            'IDENTIFY_SYSTEM',
          ),
        );
        break;
      case 'show':
        this.socket.write(encodeRow([show(timeline, command.parameter)], 'SHOW'));
        break;
      case 'startReplication':
        await this.replicate(timeline, target, command.startLsn);
        this.socket.write(encodeCommandComplete('START_REPLICATION'));
        break;
    }
    this.socket.write(READY);
  }

  /** Ends when the reader says so, or throws. A reader that starts ahead of this safekeeper waits for it. */
  private async replicate(timeline: Timeline, target: ReplicationTarget, startLsn: Lsn): Promise<void> {
    const firstLsn = AcceptorState.startLsn(timeline.state);
    if (startLsn < firstLsn) throw new Refusal('WalMissing', `WAL of this timeline begins at ${Lsn.format(firstLsn)}`);
    timeline.requireKept(startLsn);
    timeline.readableLsn(target.term);
    this.socket.write(encodeCopyBoth());
    const logger = this.context.logger.child({ tenantId: target.tenantId, timelineId: target.timelineId });
    logger.info({ reader: target.name, startLsn: Lsn.format(startLsn), term: target.term }, 'reader started');
    this.progress = { name: target.name, sentLsn: startLsn, flushLsn: Lsn.ZERO, applyLsn: Lsn.ZERO };
    const forget = this.context.readers.add(timeline, () => this.progress);
    const release = timeline.addReader(() => this.progress.sentLsn);
    const stop = new AbortController();
    const sending = this.send(timeline, target, AbortSignal.any([stop.signal, this.signal]));
    const listening = this.listen(timeline, target);
    const silence = this.watchSilence();
    try {
      // Whichever ends first ends the other: an error while sending, or the reader's CopyDone.
      await Promise.race([sending, listening, silence.over]);
      stop.abort();
      await sending;
      this.socket.write(encodeCopyDone());
    } finally {
      stop.abort();
      silence.end();
      for (const loser of [sending, listening]) loser.catch(() => undefined);
      release();
      forget();
      logger.info({ reader: target.name, sentLsn: Lsn.format(this.progress.sentLsn) }, 'reader stopped');
    }
  }

  /** RC7. It is asked for a word when half of its time has passed. */
  private watchSilence(): { readonly over: Promise<never>; readonly end: () => void } {
    const { readerSilenceMs = READER_SILENCE_MS } = this.context;
    let end = (): void => undefined;
    this.heardMs = performance.now();
    const over = new Promise<never>((_resolve, reject) => {
      const timer = setInterval(() => {
        const silentMs = performance.now() - this.heardMs;
        if (silentMs >= readerSilenceMs) reject(new Unavailable(`the reader said nothing for ${readerSilenceMs} ms`));
        else if (silentMs >= readerSilenceMs / 2 && !this.socket.writableNeedDrain)
          this.socket.write(encodeKeepalive({ endLsn: this.progress.sentLsn, nowMs: Date.now(), wantsReply: true }));
      }, readerSilenceMs / 6);
      end = () => clearInterval(timer);
    });
    over.catch(() => undefined);
    return { over, end: () => end() };
  }

  private async send(timeline: Timeline, target: ReplicationTarget, stop: AbortSignal): Promise<void> {
    let { sentLsn } = this.progress;
    let sentMs = 0;
    while (!stop.aborted) {
      const endLsn = timeline.readableLsn(target.term);
      if (endLsn <= sentLsn) {
        if (!(await this.waitForWal(timeline, stop, () => timeline.readableLsn(target.term) > sentLsn)))
          this.socket.write(encodeKeepalive({ endLsn, nowMs: Date.now() }));
        continue;
      }
      if (endLsn - sentLsn < READ_SIZE_MAX && target.term === undefined) {
        const waitMs = sentMs + SEND_INTERVAL_MS - performance.now();
        if (waitMs > 0) {
          await sleep(waitMs);
          sentMs = 0;
          continue;
        }
      }
      sentMs = performance.now();
      const bytes = await timeline.read(sentLsn, pieceEnd(sentLsn, endLsn), target.term);
      this.socket.cork();
      this.socket.write(encodeXLogDataHeader({ startLsn: sentLsn, endLsn, size: bytes.length, nowMs: Date.now() }));
      const hasRoom = this.socket.write(bytes);
      this.socket.uncork();
      sentLsn = Lsn.advance(sentLsn, bytes.length);
      this.progress = { ...this.progress, sentLsn };
      if (!hasRoom) await this.drained(stop);
    }
  }

  /** False when a keepalive is due. */
  private waitForWal(timeline: Timeline, stop: AbortSignal, isThere: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        unsubscribe();
        stop.removeEventListener('abort', onStop);
        act();
      };
      const timer = setTimeout(() => settle(() => resolve(false)), KEEPALIVE_MS);
      const onStop = (): void => settle(() => resolve(true));
      const unsubscribe = timeline.onProgress(() => {
        try {
          if (isThere()) settle(() => resolve(true));
        } catch (error) {
          settle(() => reject(error as Error));
        }
      });
      stop.addEventListener('abort', onStop);
    });
  }

  /** RC3. Returns early when asked to stop. */
  private async drained(stop: AbortSignal): Promise<void> {
    try {
      await once(this.socket, 'drain', { signal: stop });
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  }

  /** The reader's side of CopyBoth, until it ends. */
  private async listen(timeline: Timeline, target: ReplicationTarget): Promise<void> {
    for (;;) {
      const message = await this.nextMessage();
      if (message === undefined) throw new Unavailable('the reader left');
      this.heardMs = performance.now();
      if (message.tag === tagOf('c')) return;
      if (message.tag === tagOf('X')) return void this.socket.end();
      if (message.tag !== tagOf('d')) throw new ProtocolViolation(`unexpected message type ${message.tag}`);
      const status = decodeStandbyStatus(message.payload);
      if (status === undefined) continue;
      this.progress = { ...this.progress, flushLsn: status.flushLsn, applyLsn: status.applyLsn };
      if (this.isPageserver) timeline.pageserverHas({ receivedLsn: status.writeLsn, durableLsn: status.flushLsn });
      if (status.wantsReply)
        this.socket.write(encodeKeepalive({ endLsn: timeline.readableLsn(target.term), nowMs: Date.now() }));
    }
  }

  private async nextMessage(): Promise<WireMessage | undefined> {
    for (;;) {
      const message = this.messages.next();
      if (message !== undefined) return message;
      const chunk = await this.nextChunk();
      if (chunk === undefined) return undefined;
      this.messages.push(chunk);
    }
  }

  /** Undefined at the end of the stream. */
  private async nextChunk(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.socket.read() as Buffer | null;
      if (chunk !== null) return chunk;
      if (this.socket.readableEnded || this.socket.destroyed) return undefined;
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          for (const event of ['readable', 'end', 'close']) this.socket.off(event, settle);
          resolve();
        };
        for (const event of ['readable', 'end', 'close']) this.socket.on(event, settle);
      });
    }
  }
}

/** RC2. What may be read ends with a record; what does not reach that far ends with a page. */
function pieceEnd(startLsn: Lsn, endLsn: Lsn): Lsn {
  const reachedLsn = Lsn.advance(startLsn, READ_SIZE_MAX);
  return reachedLsn >= endLsn ? endLsn : Lsn.of(reachedLsn - (reachedLsn % WAL_PAGE_SIZE));
}

/** What a receiver asks for before it streams. @throws Refusal */
function show(timeline: Timeline, parameter: string): { name: string; type: 'text'; value: string } {
  const megabytes = timeline.state.identity.walSegmentSize / (1024 * 1024);
  const values = new Map([
    ['wal_segment_size', megabytes >= 1024 ? `${megabytes / 1024}GB` : `${megabytes}MB`],
    ['data_directory_mode', '0700'],
  ]);
  const value = values.get(parameter);
  if (value === undefined) throw new Refusal('UnknownCommand', `parameter ${parameter} is not known here`);
  return { name: parameter, type: 'text', value };
}

function textOf(payload: Uint8Array): string {
  const end = payload.indexOf(0);
  if (end !== payload.length - 1) throw new ProtocolViolation('query is not one terminated string');
  return Buffer.from(payload.subarray(0, end)).toString('utf8');
}

const SQL_STATES: Readonly<Record<string, string>> = {
  Unauthorized: '28000',
  TimelineUnknown: '3D000',
  UnknownCommand: '42601',
  NotHere: '0A000',
  MalformedOptions: '08004',
  WalMissing: '58P01',
  WalTrimmed: '58P01',
};

/** What the system says of a connection that the other side, or the way there, has ended. */
const PEER_IS_GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'EHOSTUNREACH']);

function describe(error: unknown): { sqlState: string; message: string } {
  if (error instanceof ByteReadError) return { sqlState: '08P01', message: error.message };
  if (error instanceof ProtocolViolation) return { sqlState: error.sqlState, message: error.message };
  if (error instanceof Refusal) return { sqlState: SQL_STATES[error.code] ?? 'XX000', message: error.message };
  if (error instanceof Unavailable) return { sqlState: '57P01', message: error.message };
  if (error instanceof Error && 'code' in error && PEER_IS_GONE.has(String(error.code)))
    return { sqlState: '08006', message: error.message };
  return { sqlState: 'XX000', message: error instanceof Error ? error.message : String(error) };
}
