/**
 * The event store, as a port.
 *
 *   S1  `append` is atomic over all streams it names, and succeeds only when each is at its expected version.
 *   S2  Versions of a stream are 1, 2, 3 …; positions grow over the whole store, with gaps.
 *   S3  Whoever has read position n has seen every event below n that will ever exist: positions become visible in order.
 *   S4  A recorded event never changes.
 */
export interface EventMetadata {
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** On whose behalf: an API key, or the service itself. */
  readonly actor: string;
  /** The request that caused it. */
  readonly requestId?: string | undefined;
}

export interface NewEvent {
  /** A UUID; also the id of the message that announces the event. */
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly metadata: EventMetadata;
}

export interface RecordedEvent extends NewEvent {
  readonly stream: string;
  readonly version: number;
  readonly position: number;
}

export interface StreamAppend {
  readonly stream: string;
  /** 0: the stream must not exist. */
  readonly expectedVersion: number;
  /** May be empty: then only the version is checked. */
  readonly events: readonly NewEvent[];
}

export abstract class EventStore {
  /** @returns the position of the last event written. @throws VersionConflict (S1) */
  abstract append(appends: readonly StreamAppend[]): Promise<number>;
  /** Events above `afterVersion`, oldest first. */
  abstract readStream(stream: string, afterVersion?: number): Promise<readonly RecordedEvent[]>;
  /** At most `limit` events above `afterPosition`, in order. */
  abstract readAll(afterPosition: number, limit: number): Promise<readonly RecordedEvent[]>;
}

/** Somebody else appended to a stream since it was read. */
export class VersionConflict extends Error {
  override readonly name = 'VersionConflict';
  constructor(readonly stream: string) {
    super(`the stream ${stream} is not at the expected version`);
  }
}
