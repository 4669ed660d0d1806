import { EventStore, type RecordedEvent, type StreamAppend, VersionConflict } from './event-store';

/** An event store in memory. Payloads pass through JSON, so that what comes back is what a database would give. */
export class MemoryEventStore extends EventStore {
  private readonly events: RecordedEvent[] = [];

  override append(appends: readonly StreamAppend[]): Promise<number> {
    for (const { stream, expectedVersion } of appends)
      if (this.versionOf(stream) !== expectedVersion) return Promise.reject(new VersionConflict(stream));
    for (const { stream, expectedVersion, events } of appends)
      events.forEach((event, index) =>
        this.events.push({
          ...copyOf(event),
          stream,
          version: expectedVersion + index + 1,
          position: this.events.length + 1,
        }),
      );
    return Promise.resolve(this.events.length);
  }

  override readStream(stream: string, afterVersion = 0): Promise<readonly RecordedEvent[]> {
    return Promise.resolve(
      this.events.filter((event) => event.stream === stream && event.version > afterVersion).map(copyOf),
    );
  }

  override readAll(afterPosition: number, limit: number): Promise<readonly RecordedEvent[]> {
    return Promise.resolve(this.events.slice(afterPosition, afterPosition + limit).map(copyOf));
  }

  private versionOf(stream: string): number {
    return this.events.reduce((version, event) => (event.stream === stream ? event.version : version), 0);
  }
}

function copyOf<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}
