/** A pageserver over a directory, without any network: for specs. */
import { join } from 'node:path';
import { TenantId, TimelineId } from '@neon/kernel';
import {
  type ApplyDelta,
  Background,
  BlockCache,
  DEFAULT_LIMITS,
  Pageserver,
  ReadGate,
  Reader,
  type TimelineLimits,
  type TimelineName,
  type TimelineParts,
} from '@neon/pageserver-core';
import { applyDelta } from '@neon/postgres';
import { DirectoryTimelineStore } from '../files/directory-timeline-store';
import { OpenFiles } from '../files/open-files';
import { IMAGE_CODECS, ZstdCompression } from '../files/zstd-compression';
import { DirectoryTemplateStore } from '../import/directory-template-store';

export class AwaitedBackground extends Background {
  readonly failures: unknown[] = [];
  private running = Promise.resolve();

  run(_name: string, task: () => Promise<void>): void {
    this.running = this.running.then(task).catch((error: unknown) => void this.failures.push(error));
  }
  async settled(): Promise<void> {
    await this.running;
    if (this.failures.length > 0) throw this.failures[0];
  }
}

export interface OpenedPageserver {
  readonly pageserver: Pageserver;
  readonly cache: BlockCache;
  readonly openFiles: OpenFiles;
  readonly background: AwaitedBackground;
  readonly templates: DirectoryTemplateStore;
}

export async function openPageserver(
  directory: string,
  clusters: string,
  limits: Partial<TimelineLimits> = {},
  redo: ApplyDelta = applyDelta,
  stopped: TimelineParts['stopped'] = () => undefined,
): Promise<OpenedPageserver> {
  const openFiles = new OpenFiles(256);
  const compression = new ZstdCompression();
  const cache = new BlockCache(compression, 128 * 1024 * 1024);
  const background = new AwaitedBackground();
  const store = new DirectoryTimelineStore(join(directory, 'tenants'), openFiles);
  const templates = new DirectoryTemplateStore(join(directory, 'templates'), clusters, store, compression);
  const pageserver = new Pageserver(store, templates, {
    compression,
    reader: new Reader(cache),
    gate: new ReadGate(),
    background,
    applyDelta: (page, delta, context) => redo(page, delta, { ...context, ...IMAGE_CODECS }),
    limits: { ...DEFAULT_LIMITS, ...limits },
    stopped,
  });
  await pageserver.open();
  return { pageserver, cache, openFiles, background, templates };
}

const id = (digit: string): string => digit.repeat(32);
export const named = (timeline: string): TimelineName => ({
  tenantId: TenantId.parse(id('a')),
  timelineId: TimelineId.parse(id(timeline)),
});
