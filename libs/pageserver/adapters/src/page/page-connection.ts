/**
 * One connection of the page service (S1–S3 of the contract).
 *
 *   P1  At most REQUESTS_IN_FLIGHT_MAX requests are under way, and at most WRITE_BUFFER_MAX answered bytes wait to be sent:
 *       beyond, the socket is not read.
 *   P2  What can be answered from memory is answered at once; the rest in whatever order it becomes ready.
 *   P3  A malformed frame ends the connection with `ProtocolViolation`; nothing that a peer sends ends more than that, and no
 *       error in answering it does.
 *   P4  A request leaves nothing behind, however it ends: its deadline ends with it.
 *   P5  Errors are logged with the timeline, a bounded number of them; a redo failure only when its timeline stops.
 */
import type { Socket } from 'node:net';
import { SpanStatusCode } from '@opentelemetry/api';
import { ByteReadError, Corrupt, FrameDecoder, Lsn, Refusal } from '@neon/kernel';
import {
  BASEBACKUP_CHUNK_SIZE,
  type GetBasebackup,
  type GetPages,
  type Hello,
  PAGE_ERROR_CODES,
  PAGE_FRAME_SIZE_MAX,
  PAGE_SERVICE_VERSION,
  type PageAnswer,
  type PageErrorCode,
  type PageRequest,
  REQUESTS_IN_FLIGHT_MAX,
  decodePageRequest,
  encodePageAnswer,
  encodePagesFrame,
} from '@neon/pageserver-contract';
import {
  type PagesWanted,
  RedoFailure,
  type Timeline,
  basebackup,
  readPages,
  readPagesNow,
} from '@neon/pageserver-core';
import type { Fork } from '@neon/postgres';
import { recordSpan, startSpanIn } from '@neon/telemetry';
import { nameOf } from '../wal/wal-receiver';
import type { PageConnectionOptions } from './page-server-options';

const WRITE_BUFFER_MAX = 8 * 1024 * 1024;
/** A peer that has not said hello by then is not one of ours. */
const HELLO_TIMEOUT_MS = 10_000;
/** A read that takes longer is worth a span: it waited for WAL or read many layers. Spans of all reads would cost more than the reads. */
const SLOW_READ_MS = 50;

export class PageConnection {
  private readonly frames = new FrameDecoder(PAGE_FRAME_SIZE_MAX);
  /** Of the requests under way: each ends at its deadline, or with the connection. */
  private readonly deadlines = new Set<AbortController>();
  private timeline: Timeline | null = null;
  private greeting = false;
  private traceparent: string | undefined;
  /** Requests that came before hello was answered. */
  private readonly early: PageRequest[] = [];
  private inFlight = 0;

  constructor(
    private readonly socket: Socket,
    private readonly options: PageConnectionOptions,
  ) {}

  serve(): void {
    const { socket } = this;
    const timer = setTimeout(() => this.refuse('ProtocolViolation', 'no hello in time'), HELLO_TIMEOUT_MS);
    socket.on('data', (chunk: Buffer) => this.received(chunk));
    socket.on('drain', () => this.resume());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      for (const deadline of this.deadlines) deadline.abort();
    });
    this.helloDone = () => clearTimeout(timer);
  }

  private helloDone = (): void => undefined;

  private received(chunk: Buffer): void {
    try {
      const frames = this.frames.push(chunk);
      this.socket.cork();
      for (const frame of frames) this.handle(decodePageRequest(frame));
      this.socket.uncork();
    } catch (error) {
      if (error instanceof ByteReadError || error instanceof RangeError || error instanceof SyntaxError)
        return this.refuse('ProtocolViolation', error.message);
      this.log(stackOf(error), 'page connection failed');
      this.refuse('Internal', 'internal error');
    }
    if (this.inFlight >= REQUESTS_IN_FLIGHT_MAX || this.socket.writableLength > WRITE_BUFFER_MAX) this.socket.pause();
  }

  private resume(): void {
    if (this.inFlight < REQUESTS_IN_FLIGHT_MAX && this.socket.writableLength <= WRITE_BUFFER_MAX) this.socket.resume();
  }

  private handle(request: PageRequest): void {
    const { timeline } = this;
    if (request.type === 'hello') {
      if (this.greeting) throw new RangeError('a second hello');
      this.greeting = true;
      this.greet(request)
        .catch((error: unknown) => this.refuseFor(error))
        .catch((error: unknown) => this.broken(error));
      return;
    }
    if (timeline === null) {
      if (!this.greeting) throw new RangeError('the first frame must be hello');
      if (this.early.push(request) > REQUESTS_IN_FLIGHT_MAX) throw new RangeError('too many requests before welcome');
      return;
    }
    const startedMs = performance.now();
    if (request.type === 'getPages') return this.getPages(timeline, request, startedMs);
    this.track(request, startedMs, this.tracedBasebackup(timeline, request));
  }

  private async greet(hello: Hello): Promise<void> {
    if (hello.version !== PAGE_SERVICE_VERSION)
      throw new Refusal(
        'ProtocolViolation',
        `version ${hello.version} is not spoken here, only ${PAGE_SERVICE_VERSION}`,
      );
    const claims = await this.options.tokens.verify(hello.token);
    const isOpen =
      claims.scope === 'management' ||
      (claims.scope === 'timeline' && claims.tenantId === hello.tenantId && claims.timelineId === hello.timelineId);
    if (!isOpen) throw new Refusal('Unauthorized', 'the token is not for this timeline');
    this.timeline = this.options.pageserver.get(hello);
    this.traceparent = hello.traceparent;
    this.helloDone();
    this.send({ type: 'welcome', version: PAGE_SERVICE_VERSION });
    for (const request of this.early.splice(0)) this.handle(request);
  }

  private getPages(timeline: Timeline, request: GetPages, startedMs: number): void {
    const wanted: PagesWanted = {
      relation: request,
      fork: request.fork as Fork,
      blocks: request.blocks,
      lsn: request.lsn,
    };
    try {
      const pages = readPagesNow(timeline, wanted);
      if (pages !== null) return this.sendPages(request, pages, startedMs);
    } catch (error) {
      return this.sendError(request, error, startedMs);
    }
    const answer = this.withDeadline((signal) => readPages(timeline, wanted, signal));
    this.track(
      request,
      startedMs,
      answer.then((pages) => this.sendPages(request, pages, startedMs)),
    );
  }

  private sendPages({ requestId }: GetPages, pages: readonly Uint8Array[], startedMs: number): void {
    if (!this.socket.writable) return;
    this.socket.write(encodePagesFrame(requestId, pages));
    this.options.metrics.answered({ request: 'getPages', outcome: 'ok' }, startedMs, pages.length);
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs > SLOW_READ_MS)
      recordSpan(
        { name: 'pageserver slow read', elapsedMs, traceparent: this.traceparent },
        { 'neon.page_count': pages.length },
      );
  }

  private async tracedBasebackup(timeline: Timeline, request: GetBasebackup): Promise<void> {
    const span = startSpanIn(this.traceparent, 'pageserver basebackup', { 'neon.lsn': Lsn.format(request.lsn) });
    try {
      await this.sendBasebackup(timeline, request);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  }

  /** Chunks of one basebackup follow each other; other answers may come between them. */
  private async sendBasebackup(timeline: Timeline, { requestId, lsn, head }: GetBasebackup): Promise<void> {
    const startedMs = performance.now();
    const tarball = Buffer.concat(await this.withDeadline((signal) => basebackup(timeline, { lsn, head }, signal)));
    for (let at = 0; at < tarball.length; at += BASEBACKUP_CHUNK_SIZE) {
      const bytes = tarball.subarray(at, at + BASEBACKUP_CHUNK_SIZE);
      this.send({ type: 'basebackupChunk', requestId, last: at + bytes.length === tarball.length, bytes });
    }
    this.options.metrics.answered({ request: 'getBasebackup', outcome: 'ok' }, startedMs);
  }

  /** P4 */
  private async withDeadline<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.options.waitMs);
    this.deadlines.add(deadline);
    try {
      return await work(deadline.signal);
    } finally {
      clearTimeout(timer);
      this.deadlines.delete(deadline);
    }
  }

  private track(request: GetPages | GetBasebackup, startedMs: number, answer: Promise<void>): void {
    this.inFlight++;
    answer
      .catch((error: unknown) => this.sendError(request, error, startedMs))
      .finally(() => {
        this.inFlight--;
        this.resume();
      })
      .catch((error: unknown) => this.broken(error));
  }

  private sendError({ requestId, type }: GetPages | GetBasebackup, error: unknown, startedMs: number): void {
    const { code, message } = this.describe(error);
    this.options.metrics.answered({ request: type, outcome: code }, startedMs);
    this.send({ type: 'error', requestId, code, message });
  }

  private send(answer: PageAnswer): void {
    if (this.socket.writable) this.socket.write(encodePageAnswer(answer));
  }

  private refuseFor(error: unknown): void {
    const { code, message } = this.describe(error);
    this.refuse(code, message);
  }

  private refuse(code: PageErrorCode, message: string): void {
    this.send({ type: 'error', requestId: 0, code, message });
    this.socket.end();
    this.socket.destroySoon();
  }

  /** P3: even the error could not be answered. */
  private broken(error: unknown): void {
    this.socket.destroy();
    this.log(stackOf(error), 'page connection failed');
  }

  private log(error: string, message: string): void {
    const ids = this.timeline === null ? {} : nameOf(this.timeline);
    this.options.errors.error({ ...ids, error }, message);
  }

  private describe(error: unknown): { code: PageErrorCode; message: string } {
    if (error instanceof Refusal) {
      if (error.code === 'HistoryDiverged') this.log(error.message, 'history diverged');
      const code = PAGE_ERROR_CODES.find((known) => known === error.code);
      return { code: code ?? 'ProtocolViolation', message: error.message };
    }
    if (error instanceof Corrupt) {
      if (!(error instanceof RedoFailure)) this.log(error.message, 'corrupt data met while reading');
      return { code: 'Corrupt', message: error.message };
    }
    this.log(stackOf(error), 'page request failed');
    return { code: 'Internal', message: 'internal error' };
  }
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
