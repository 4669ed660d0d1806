/**
 * The event store in Postgres. An append is one round trip: the function `append_events` checks the versions, takes positions
 * and writes, under a lock that makes positions visible in order (its migration says why).
 */
import { EventStore, type RecordedEvent, type StreamAppend, VersionConflict } from '@neon/event-sourcing';
import { Corrupt } from '@neon/kernel';
import { z } from 'zod';
import { secondsHistogram } from '@neon/telemetry';
import type { Database } from './database';
import { unavailable } from './unavailable';

const Metadata = z.object({ at: z.number(), actor: z.string(), requestId: z.string().optional() });
const Payload = z.record(z.string(), z.unknown());

const appendSeconds = secondsHistogram({
  component: 'control-plane',
  name: 'neon_control_plane_event_append_seconds',
  description: 'Duration of one append of events, by outcome',
});

interface EventRow {
  readonly position: bigint;
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  readonly payload: unknown;
  readonly metadata: unknown;
}

export class PrismaEventStore extends EventStore {
  constructor(private readonly database: Database) {
    super();
  }

  override async append(appends: readonly StreamAppend[]): Promise<number> {
    const startedAt = performance.now();
    const [result] = await unavailable(
      this.database.$queryRaw<{ last_position: bigint; conflict: string | null }[]>`
        SELECT last_position, conflict FROM append_events(${JSON.stringify(appends)}::JSONB)`,
    );
    if (result === undefined) throw new Corrupt('append_events answered nothing');
    appendSeconds.recordSince(startedAt, { outcome: result.conflict === null ? 'appended' : 'conflict' });
    if (result.conflict !== null) throw new VersionConflict(result.conflict);
    return Number(result.last_position);
  }

  override async readStream(stream: string, afterVersion = 0): Promise<readonly RecordedEvent[]> {
    const rows = await unavailable(
      this.database.event.findMany({
        where: { stream, version: { gt: afterVersion } },
        orderBy: { version: 'asc' },
      }),
    );
    return rows.map(recorded);
  }

  override async readAll(afterPosition: number, limit: number): Promise<readonly RecordedEvent[]> {
    const rows = await unavailable(
      this.database.event.findMany({
        where: { position: { gt: afterPosition } },
        orderBy: { position: 'asc' },
        take: limit,
      }),
    );
    return rows.map(recorded);
  }
}

function recorded({ position, payload, metadata, ...row }: EventRow): RecordedEvent {
  return { ...row, position: Number(position), payload: Payload.parse(payload), metadata: Metadata.parse(metadata) };
}
