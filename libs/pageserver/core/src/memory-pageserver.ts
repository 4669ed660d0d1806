/** A pageserver in memory, for specs: its store outlives it, as a disk would. */
import { Lsn, SystemId, TenantId, TimelineId, crc32c } from '@neon/kernel';
import { CONTROL_FILE_SIZE, type PostgresMajor } from '@neon/postgres';
import type { Template } from './import/template';
import { CHECKPOINT, CONTROL_FILE } from './key/key';
import { writeLayer } from './layer/layer-builder';
import { MemoryTimelineFiles, RunLengthCompression } from './memory-files';
import { BlockCache } from './read/block-cache';
import type { ApplyDelta } from './read/page-content';
import { ReadGate } from './read/read-gate';
import { Reader } from './read/reader';
import { Pageserver, TemplateStore, type TimelineName, TimelineStore } from './tenant/pageserver';
import { Background } from './timeline/background';
import { DEFAULT_LIMITS } from './timeline/timeline';
import type { TimelineFiles } from './timeline/timeline-files';

/** Where every timeline of the template starts. */
export const TEMPLATE_LSN = Lsn.of(1000);
export const TEMPLATE_PREV_LSN = Lsn.of(904);
const MAJOR: PostgresMajor = 17;

export const timelineName = (digit: number): TimelineName => ({
  tenantId: TenantId.parse('a'.repeat(32)),
  timelineId: TimelineId.parse(digit.toString(16).padStart(32, '0')),
});

export class MemoryStore extends TimelineStore {
  readonly timelines = new Map<string, { name: TimelineName; files: MemoryTimelineFiles }>();
  async list(): Promise<TimelineName[]> {
    return [...this.timelines.values()].map(({ name }) => name);
  }
  async open(name: TimelineName): Promise<TimelineFiles> {
    return this.filesOf(name);
  }
  async remove(name: TimelineName): Promise<void> {
    this.timelines.delete(name.timelineId);
  }
  filesOf(name: TimelineName): MemoryTimelineFiles {
    const found = this.timelines.get(name.timelineId) ?? { name, files: new MemoryTimelineFiles() };
    this.timelines.set(name.timelineId, found);
    return found.files;
  }
}

/** A cluster without a relation. */
class EmptyTemplates extends TemplateStore {
  private readonly files = new MemoryTimelineFiles();
  constructor(private readonly store: MemoryStore) {
    super();
  }
  async get(): Promise<Template> {
    const layer = await writeLayer(
      [
        { key: CONTROL_FILE, lsn: TEMPLATE_LSN, kind: 0, bytes: controlFile() },
        { key: CHECKPOINT, lsn: TEMPLATE_LSN, kind: 0, bytes: new Uint8Array(88) },
      ],
      { kind: 'image', level: 1, startLsn: TEMPLATE_LSN, endLsn: TEMPLATE_LSN, sequence: 0 },
      { writer: await this.files.create(), compression: new RunLengthCompression() },
    );
    if (layer === null) throw new Error('a layer of two versions is not empty');
    const common = { lsn: TEMPLATE_LSN, prevRecordLsn: TEMPLATE_PREV_LSN, logicalSizeBytes: 0, layer };
    return { ...common, major: MAJOR, systemId: SystemId.parse('1'), walSegmentSize: 16 << 20 };
  }
  async install(_template: Template, name: TimelineName): Promise<void> {
    const { contents } = this.store.filesOf(name);
    for (const [file, content] of this.files.contents) contents.set(file, content);
  }
}

/** pg_control of Postgres 17: what is checked, and defaults for the rest. */
function controlFile(): Uint8Array {
  const bytes = new Uint8Array(CONTROL_FILE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, 1700, true);
  view.setUint32(12, 202406281, true);
  view.setUint32(216, 8192, true);
  view.setUint32(228, 16 << 20, true);
  view.setUint32(288, crc32c(bytes, 0, 288), true);
  return bytes;
}

class UnawaitedBackground extends Background {
  run(_name: string, task: () => Promise<void>): void {
    task().catch(() => undefined);
  }
}

export interface MemoryPageserverOptions {
  readonly store: MemoryStore;
  readonly applyDelta: ApplyDelta;
  /** Gets the reasons for which timelines stop. */
  readonly stopped?: string[];
  readonly memorySizeBytes?: number;
}

export async function openMemoryPageserver({
  store,
  applyDelta,
  stopped = [],
  memorySizeBytes = 1 << 30,
}: MemoryPageserverOptions): Promise<Pageserver> {
  const compression = new RunLengthCompression();
  const pageserver = new Pageserver(store, new EmptyTemplates(store), {
    compression,
    reader: new Reader(new BlockCache(compression, 20_000)),
    gate: new ReadGate(),
    background: new UnawaitedBackground(),
    applyDelta,
    limits: { ...DEFAULT_LIMITS, memorySizeBytes },
    stopped: (_timeline, { reason }) => stopped.push(reason),
  });
  await pageserver.open();
  return pageserver;
}
