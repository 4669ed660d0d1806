/**
 * Typed messages over NATS.
 *
 *   M1  Nothing leaves or enters without passing its contract's schema and version.
 *   M2  `publish` resolves when JetStream has stored the event; the same id within its window is stored once.
 *   M3  `consume` hands over each event at least once, in order, and acknowledges it only after the handler resolved.
 *       A handler that throws sees the event again later; an event that does not parse is logged and set aside.
 *   M4  `request` ends with the reply, with the responder's refusal, or with `Unavailable` (nobody listens, too late, or the
 *       connection was lost meanwhile: a reply is not kept for who is away, so waiting on would be in vain). A contract with
 *       `repeatMs` is asked again that often, so that a responder that died meanwhile costs no more than that.
 *   M5  `signal` is lossy: status that the next one replaces.
 *   M6  `connect` waits for a server for as long as it takes, and says now and then what it waits for: a process that
 *       starts while NATS is away is there when it is back.
 *
 * Trace context travels in headers, so a consumer's span continues the sender's trace.
 *
 * Events go to one JetStream stream per scope (`neon-<scope>`); requests and signals never touch a stream.
 */
import { context, propagation, trace, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import {
  AckPolicy,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
  RetentionPolicy,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { type EventContract, Refusal, type RequestContract, Unavailable } from '@neon/kernel';
import {
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  RequestError,
  TimeoutError,
  connect,
  headers,
} from '@nats-io/transport-node';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { RemoteError, decodeRemoteError, encodeRemoteError } from './remote-error';

export interface BusOptions {
  readonly servers: string;
  readonly token?: string | undefined;
  /** Shown in the server's connection list. */
  readonly name: string;
  /** Called with what goes wrong in a handler or a subscription. */
  readonly onError: (error: unknown, where: string) => void;
}

export interface Delivery {
  readonly id: string;
  readonly attempt: number;
}

export interface Subscribed {
  stop(): Promise<void>;
}

/** A handler that failed sees its event again after this long. */
const REDELIVERY_MS = 1_000;
/** Events of one scope kept, so that a consumer may be away this long. */
const EVENT_AGE_MAX_NS = 7 * 24 * 3600 * 1e9;
const EVENT_BYTES_MAX = 256 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
const CONNECT_PAUSE_MS = 250;
const COMPLAINT_PAUSE_MS = 10_000;

const Envelope = z.object({ version: z.number().int(), payload: z.unknown() });
const Reply = z.union([z.object({ value: z.unknown() }), z.object({ error: RemoteError })]);
const tracer = trace.getTracer('@neon/messaging');

export class Bus {
  private readonly js: JetStreamClient;
  private readonly streams = new Map<string, Promise<void>>();
  private readonly running = new Set<Subscribed>();
  /** Of each request that has no answer yet: ends it. */
  private readonly unanswered = new Set<(error: Unavailable) => void>();

  private constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly options: BusOptions,
  ) {
    this.js = jetstream(connection);
    void this.watchConnection();
  }

  /** M6. Reconnects by itself afterwards, for ever. @throws the reason of `signal` once that is aborted */
  static async connect(options: BusOptions, signal?: AbortSignal): Promise<Bus> {
    for (let complainedMs = Number.NEGATIVE_INFINITY; ;) {
      try {
        return await Bus.connectNow(options);
      } catch (cause) {
        signal?.throwIfAborted();
        if (performance.now() - complainedMs >= COMPLAINT_PAUSE_MS) {
          complainedMs = performance.now();
          options.onError(
            new Unavailable(`NATS at ${options.servers} does not answer: ${String(cause)}`, { cause }),
            'connect',
          );
        }
        await sleep(CONNECT_PAUSE_MS, undefined, { signal });
      }
    }
  }

  private static async connectNow(options: BusOptions): Promise<Bus> {
    const connection = await connect({
      servers: options.servers,
      name: options.name,
      maxReconnectAttempts: -1,
      // Another server may hold the address for a while: its refusal is no reason to give up ours.
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: 250,
      timeout: CONNECT_TIMEOUT_MS,
      ...(options.token === undefined ? {} : { token: options.token }),
    });
    try {
      return new Bus(connection, await jetstreamManager(connection), options);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  get isConnected(): boolean {
    return !this.connection.isClosed();
  }

  async publish<T>(contract: EventContract<T>, payload: T, { id }: { id: string }): Promise<void> {
    await this.ensureStream(contract);
    await tracer.startActiveSpan(`publish ${contract.subject}`, { kind: SpanKind.PRODUCER }, async (span) => {
      try {
        await this.js.publish(contract.subject, encode(contract, contract.schema, payload), {
          msgID: id,
          headers: traceHeaders(),
        });
      } catch (cause) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw new Unavailable(`event ${contract.subject} was not stored`, { cause });
      } finally {
        span.end();
      }
    });
  }

  /** @param durable names this consumer: it continues where the last one of that name stopped */
  async consume<T>(
    contract: EventContract<T>,
    { durable, handler }: { durable: string; handler: (payload: T, delivery: Delivery) => Promise<void> },
  ): Promise<Subscribed> {
    await this.ensureStream(contract);
    const stream = streamOf(contract.subject);
    await this.manager.consumers.add(stream, {
      durable_name: durable,
      filter_subject: contract.subject,
      ack_policy: AckPolicy.Explicit,
      max_ack_pending: 1,
    });
    const consumer = await this.js.consumers.get(stream, durable);
    const messages = await consumer.consume({ max_messages: 16 });
    const loop = this.consumeLoop(contract, messages, handler);
    return this.track(async () => {
      await messages.close();
      await loop;
    });
  }

  private async consumeLoop<T>(
    contract: EventContract<T>,
    messages: ConsumerMessages,
    handler: (payload: T, delivery: Delivery) => Promise<void>,
  ): Promise<void> {
    for await (const message of messages) {
      const delivery = {
        id: message.headers?.get('Nats-Msg-Id') ?? `${message.seq}`,
        attempt: message.info.deliveryCount,
      };
      let payload: T;
      try {
        payload = decode(contract, contract.schema, message.data);
      } catch (error) {
        this.options.onError(error, `event ${contract.subject}`);
        message.term();
        continue;
      }
      try {
        await inSpan(`consume ${contract.subject}`, message.headers, () => handler(payload, delivery));
        message.ack();
      } catch (error) {
        this.options.onError(error, `consume ${contract.subject}`);
        message.nak(REDELIVERY_MS);
      }
    }
  }

  signal<T>(contract: EventContract<T>, payload: T): void {
    if (!this.connection.isClosed())
      this.connection.publish(contract.subject, encode(contract, contract.schema, payload));
  }

  onSignal<T>(contract: EventContract<T>, handler: (payload: T) => void): Subscribed {
    const subscription = this.connection.subscribe(contract.subject, {
      callback: (error, message) => {
        try {
          if (error) throw error;
          handler(decode(contract, contract.schema, message.data));
        } catch (failure) {
          this.options.onError(failure, `signal ${contract.subject}`);
        }
      },
    });
    return this.track(() => subscription.drain());
  }

  /** @param target the process asked, when the contract names one (a compute host's id) */
  async request<Q, A>(
    contract: RequestContract<Q, A>,
    payload: Q,
    { target, timeoutMs }: { target?: string; timeoutMs?: number } = {},
  ): Promise<A> {
    const subject = subjectOf(contract, target);
    return tracer.startActiveSpan(`request ${contract.subject}`, { kind: SpanKind.CLIENT }, async (span) => {
      try {
        const message = await this.whileConnected(
          this.ask(subject, encode(contract, contract.request, payload), {
            timeoutMs: timeoutMs ?? contract.timeoutMs,
            repeatMs: contract.repeatMs ?? Infinity,
          }),
        );
        const reply = Reply.parse(message.json());
        if ('error' in reply) throw decodeRemoteError(reply.error);
        return contract.reply.parse(reply.value);
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
        if (error instanceof RequestError && error.isNoResponders())
          throw new Unavailable(`nobody answers ${subject}`, { cause: error });
        if (error instanceof TimeoutError) throw new Unavailable(`no answer to ${subject} in time`, { cause: error });
        throw error;
      } finally {
        span.end();
      }
    });
  }

  /** The first answer, whichever time of asking it belongs to; or that there is nobody (any more). */
  private ask(
    subject: string,
    data: string,
    { timeoutMs, repeatMs }: { readonly timeoutMs: number; readonly repeatMs: number },
  ): Promise<Msg> {
    const deadline = performance.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let unansweredCount = 0;
      const again = (): void => {
        const timeout = Math.ceil(deadline - performance.now());
        unansweredCount++;
        if (timeout > repeatMs) timer = setTimeout(again, repeatMs);
        this.connection.request(subject, data, { timeout, headers: traceHeaders() }).then(
          (message) => {
            clearTimeout(timer);
            resolve(message);
          },
          (error: Error) => {
            unansweredCount--;
            if (error instanceof TimeoutError && unansweredCount > 0) return;
            clearTimeout(timer);
            reject(error);
          },
        );
      };
      again();
    });
  }

  private whileConnected<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.unanswered.add(reject);
      void answer.then(resolve, reject).finally(() => this.unanswered.delete(reject));
    });
  }

  /** Ends with the connection. */
  private async watchConnection(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type !== 'disconnect') continue;
      for (const fail of this.unanswered)
        fail(new Unavailable('the connection to NATS was lost before the answer came'));
    }
  }

  /** Processes that respond to the same subject share its requests. */
  respond<Q, A>(
    contract: RequestContract<Q, A>,
    handler: (payload: Q) => Promise<A>,
    { target }: { target?: string } = {},
  ): Subscribed {
    const subscription = this.connection.subscribe(subjectOf(contract, target), {
      queue: contract.subject,
      callback: (error, message) => {
        if (error) this.options.onError(error, `respond ${contract.subject}`);
        else void this.answer(contract, message, handler);
      },
    });
    return this.track(() => subscription.drain());
  }

  private async answer<Q, A>(
    contract: RequestContract<Q, A>,
    message: Msg,
    handler: (payload: Q) => Promise<A>,
  ): Promise<void> {
    const reply = await inSpan(`respond ${contract.subject}`, message.headers, async () => ({
      value: contract.reply.parse(await handler(decode(contract, contract.request, message.data))),
    })).catch((error: unknown) => {
      const remote = encodeRemoteError(error);
      if (remote.kind === 'internal') this.options.onError(error, `respond ${contract.subject}`);
      return { error: remote };
    });
    message.respond(JSON.stringify(reply));
  }

  /** Resolves when the server has seen every subscription and signal made so far. */
  flush(): Promise<void> {
    return this.connection.flush();
  }

  /** Lets what runs finish, then disconnects. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.running].map((subscribed) => subscribed.stop()));
    await this.connection.drain().catch(() => this.connection.close());
  }

  private track(stop: () => Promise<void>): Subscribed {
    const subscribed: Subscribed = {
      stop: async () => {
        if (this.running.delete(subscribed)) await stop();
      },
    };
    this.running.add(subscribed);
    return subscribed;
  }

  private ensureStream(contract: EventContract<unknown>): Promise<void> {
    const known = this.streams.get(contract.subject);
    if (known !== undefined) return known;
    const made = this.addToStream(contract.subject).catch((error: unknown) => {
      this.streams.delete(contract.subject);
      throw new Unavailable(`no JetStream stream for ${contract.subject}`, { cause: error });
    });
    this.streams.set(contract.subject, made);
    return made;
  }

  /** Creates the scope's stream, or adds the subject to it. Two processes may do so at once: the loser tries again. */
  private async addToStream(subject: string): Promise<void> {
    const name = streamOf(subject);
    for (let attempt = 1; ; attempt++) {
      try {
        const existing = await this.manager.streams.info(name).catch(() => null);
        if (existing === null) {
          const config = {
            name,
            subjects: [subject],
            retention: RetentionPolicy.Limits,
            max_age: EVENT_AGE_MAX_NS,
            max_bytes: EVENT_BYTES_MAX,
          };
          await this.manager.streams.add(config);
        } else if (!existing.config.subjects.includes(subject)) {
          await this.manager.streams.update(name, {
            ...existing.config,
            subjects: [...existing.config.subjects, subject],
          });
        } else return;
      } catch (error) {
        if (attempt === 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20 * attempt));
      }
    }
  }
}

const streamOf = (subject: string): string => subject.split('.').slice(0, 2).join('-');

const subjectOf = (
  contract: RequestContract<never, unknown> | { subject: string },
  target: string | undefined,
): string => (target === undefined ? contract.subject : `${contract.subject}.${target}`);

function encode<T>(contract: { version: number }, schema: { parse(input: unknown): T }, payload: T): string {
  return JSON.stringify({ version: contract.version, payload: schema.parse(payload) });
}

function decode<T>(
  contract: { subject: string; version: number },
  schema: { parse(input: unknown): T },
  data: Uint8Array,
): T {
  const { version, payload } = Envelope.parse(JSON.parse(Buffer.from(data).toString('utf8')));
  if (version !== contract.version)
    throw new Refusal(
      'UnsupportedVersion',
      `${contract.subject}: version ${version}, this process knows ${contract.version}`,
    );
  return schema.parse(payload);
}

function traceHeaders(): MsgHdrs {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  const out = headers();
  for (const [key, value] of Object.entries(carrier)) out.set(key, value);
  return out;
}

function inSpan<T>(name: string, incoming: MsgHdrs | undefined, run: () => Promise<T>): Promise<T> {
  const carrier: Record<string, string> = {};
  for (const key of incoming?.keys() ?? []) carrier[key] = incoming?.get(key) ?? '';
  const parent = propagation.extract(context.active(), carrier);
  return tracer.startActiveSpan(name, { kind: SpanKind.CONSUMER }, parent, async (span) => {
    try {
      return await run();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}
