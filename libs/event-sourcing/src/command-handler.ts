/**
 * Runs commands against the event store: load, decide, append; again from the top when somebody else was faster.
 *
 *   H1  All events of one `execute` are appended together or not at all, at the versions that were decided upon.
 *   H2  A conflict decides again on fresh state, a bounded number of times; then it is `Unavailable`.
 *   H3  States are remembered between commands. A remembered state may be stale, so a refusal based on one, or nothing to do,
 *       is never final: it is decided again on fresh state. Events need no such care: the append itself checks the version.
 *   H4  An append whose outcome is unknown is never repeated: it may have been written.
 *
 * @example
 *   await handler.execute({ actor: 'api-key/7' }, async (unit) => {
 *     await unit.decide(projectDecider, projectId, { type: 'AddBranch', branchId, name, parentId });
 *     await unit.decide(branchDecider, branchId, { type: 'CreateBranch', … });
 *   });
 */
import { type Clock, Corrupt, type Random, Refusal, Unavailable } from '@neon/kernel';
import { type Decider, type DomainEvent, streamOf } from './decider';
import { type EventStore, type NewEvent, type RecordedEvent, type StreamAppend, VersionConflict } from './event-store';
import { uuid } from './uuid';

export interface Origin {
  readonly actor: string;
  readonly requestId?: string | undefined;
}

export interface Committed<T> {
  readonly value: T;
  /** Position of the last event written; null when nothing was. */
  readonly position: number | null;
}

/** Attempts before a conflict is given up: each lost race means somebody else made progress. */
const ATTEMPTS_MAX = 16;
/** States remembered; beyond it the least recently used is forgotten. A state is a few kilobytes. */
const REMEMBERED_MAX = 10_000;
const SCHEMA_VERSION = 1;

interface Remembered {
  readonly version: number;
  readonly state: unknown;
}

export class CommandHandler {
  private readonly remembered = new Map<string, Remembered>();
  private readonly listeners = new Set<(position: number) => void>();

  constructor(
    private readonly store: EventStore,
    private readonly ambient: { readonly clock: Clock; readonly random: Random },
  ) {}

  async execute<T>(origin: Origin, work: (unit: Unit) => Promise<T>): Promise<Committed<T>> {
    for (let attempt = 1; ; attempt++) {
      const unit = new Unit(
        { ...this.ambient, store: this.store, origin },
        attempt === 1 ? this.remembered : new Map(),
      );
      try {
        const value = await work(unit);
        const position = await unit.commit();
        if (position === null && attempt === 1 && unit.usedRemembered) continue;
        this.remember(unit);
        if (position !== null) for (const listener of this.listeners) listener(position);
        return { value, position };
      } catch (error) {
        if (error instanceof VersionConflict) {
          if (attempt === ATTEMPTS_MAX) throw new Unavailable('too many changes at once, try again', { cause: error });
        } else if (!(error instanceof Refusal && attempt === 1 && unit.usedRemembered)) throw error;
      }
    }
  }

  /** The state as of now: one read of what was appended since it was last seen. */
  async state<S, C, E extends DomainEvent>(decider: Decider<S, C, E>, id: string): Promise<S> {
    const unit = new Unit({ ...this.ambient, store: this.store, origin: { actor: '' } }, this.remembered);
    const state = await unit.freshState(decider, id);
    this.remember(unit);
    return state;
  }

  /** Calls `listener` after each commit of this process. */
  onCommit(listener: (position: number) => void): void {
    this.listeners.add(listener);
  }

  private remember(unit: Unit): void {
    for (const [stream, seen] of unit.states()) {
      this.remembered.delete(stream);
      this.remembered.set(stream, seen);
    }
    for (const stream of this.remembered.keys()) {
      if (this.remembered.size <= REMEMBERED_MAX) break;
      this.remembered.delete(stream);
    }
  }
}

interface UnitParts {
  readonly store: EventStore;
  readonly origin: Origin;
  readonly clock: Clock;
  readonly random: Random;
}

interface Seen {
  /** Version in the store when it was read. */
  readonly baseVersion: number;
  readonly state: unknown;
  readonly events: readonly NewEvent[];
}

/** One attempt: the states it read, and the events it will append. */
export class Unit {
  usedRemembered = false;
  private readonly seen = new Map<string, Seen>();

  constructor(
    private readonly parts: UnitParts,
    private readonly remembered: ReadonlyMap<string, Remembered>,
  ) {}

  /** Now, one instant for the whole attempt, in milliseconds since the Unix epoch. */
  get now(): number {
    return (this.instant ??= this.parts.clock.now());
  }
  private instant: number | undefined;

  /** The state including what this attempt has decided. Reading it makes the commit depend on its version. */
  async state<S, C, E extends DomainEvent>(decider: Decider<S, C, E>, id: string): Promise<S> {
    const stream = streamOf(decider, id);
    const seen = this.seen.get(stream);
    if (seen !== undefined) return stateOf(seen);
    const remembered = this.remembered.get(stream);
    if (remembered !== undefined) {
      this.usedRemembered = true;
      return this.see(stream, remembered);
    }
    return this.see(stream, await this.read(stream, decider, { version: 0, state: decider.initial }));
  }

  async freshState<S, C, E extends DomainEvent>(decider: Decider<S, C, E>, id: string): Promise<S> {
    const stream = streamOf(decider, id);
    const base = this.remembered.get(stream) ?? { version: 0, state: decider.initial };
    return this.see(stream, await this.read(stream, decider, base));
  }

  async decide<S, C, E extends DomainEvent>(decider: Decider<S, C, E>, id: string, command: C): Promise<S> {
    const before = await this.state(decider, id);
    const events = decider.decide(command, before);
    const stream = streamOf(decider, id);
    const seen = this.seen.get(stream);
    if (seen === undefined || events.length === 0) return before;
    const state = events.reduce(decider.evolve, before);
    this.seen.set(stream, { ...seen, state, events: [...seen.events, ...events.map((event) => this.record(event))] });
    return state;
  }

  async commit(): Promise<number | null> {
    const appends: StreamAppend[] = [...this.seen].map(([stream, { baseVersion, events }]) => ({
      stream,
      expectedVersion: baseVersion,
      events,
    }));
    if (appends.every(({ events }) => events.length === 0)) return null;
    return this.parts.store.append(appends);
  }

  *states(): Iterable<[string, Remembered]> {
    for (const [stream, { baseVersion, events, state }] of this.seen)
      if (baseVersion + events.length > 0) yield [stream, { version: baseVersion + events.length, state }];
  }

  private async read<S, C, E extends DomainEvent>(
    stream: string,
    decider: Decider<S, C, E>,
    base: Remembered,
  ): Promise<Remembered> {
    const recorded = await this.parts.store.readStream(stream, base.version);
    return recorded.reduce<Remembered>(
      ({ state }, event) => ({ version: event.version, state: decider.evolve(state as S, decode(decider, event)) }),
      base,
    );
  }

  private see<S>(stream: string, base: Remembered): S {
    const seen = { baseVersion: base.version, state: base.state, events: [] };
    this.seen.set(stream, seen);
    return stateOf(seen);
  }

  private record(event: DomainEvent): NewEvent {
    const { type, ...payload } = event;
    const { actor, requestId } = this.parts.origin;
    const metadata = { at: this.now, actor, ...(requestId === undefined ? {} : { requestId }) };
    return { id: uuid(this.parts.random), type, schemaVersion: SCHEMA_VERSION, payload, metadata };
  }
}

/** A state is stored beside its stream's name, and a stream has one decider: the type is what the decider says. */
const stateOf = <S>(seen: { readonly state: unknown }): S => seen.state as S;

/** @throws Corrupt when the event is not one that this version of the program knows. */
export function decode<E extends DomainEvent>(
  decider: Pick<Decider<unknown, never, E>, 'event'>,
  recorded: RecordedEvent,
): E {
  try {
    if (recorded.schemaVersion !== SCHEMA_VERSION) throw new Error(`schema version ${recorded.schemaVersion}`);
    return decider.event.parse({ ...recorded.payload, type: recorded.type });
  } catch (cause) {
    throw new Corrupt(`event ${recorded.type} at ${recorded.stream}:${recorded.version} cannot be read`, { cause });
  }
}
