/**
 * Timelines as directories: `<root>/<tenant>/<timeline>/`.
 *
 *   TS1  When `open` has resolved, the names of timeline and tenant survive a power failure.
 *   TS2  `remove` is its rename: a timeline is there, or it is not, and what an interruption leaves is removed by `list`.
 *   TS3  A tenant's directory goes with its last timeline, at any moment of an `open` of another one, which makes it again.
 */
import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { TenantId, TimelineId } from '@neon/kernel';
import { type TimelineFiles, type TimelineName, TimelineStore } from '@neon/pageserver-core';
import { DirectoryTimelineFiles } from './directory-timeline-files';
import { TEMPORARY, syncDirectory } from './durable';
import type { OpenFiles } from './open-files';

const DELETED = '.deleted';

export class DirectoryTimelineStore extends TimelineStore {
  constructor(
    private readonly root: string,
    private readonly openFiles: OpenFiles,
  ) {
    super();
  }

  directoryOf = ({ tenantId, timelineId }: TimelineName): string => join(this.root, tenantId, timelineId);

  async list(): Promise<TimelineName[]> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    const found: TimelineName[] = [];
    for (const tenant of await readdir(this.root)) {
      if (!TenantId.is(tenant)) continue;
      for (const timeline of await readdir(join(this.root, tenant))) {
        if (TimelineId.is(timeline)) found.push({ tenantId: tenant, timelineId: timeline });
        else if (timeline.endsWith(DELETED))
          await rm(join(this.root, tenant, timeline), { recursive: true, force: true });
      }
      await removeEmpty(join(this.root, tenant));
    }
    return found;
  }

  async open(name: TimelineName): Promise<TimelineFiles> {
    const directory = this.directoryOf(name);
    // Both at once: a tenant's directory without a timeline may go (TS3).
    const made = await mkdir(directory, { recursive: true, mode: 0o700 });
    // A timeline is only as durable as its tenant's name.
    if (made !== undefined && made !== resolve(directory)) await syncDirectory(this.root);
    await syncDirectory(dirname(directory));
    for (const file of await readdir(directory))
      if (file.endsWith(TEMPORARY)) await rm(join(directory, file), { force: true });
    return new DirectoryTimelineFiles(directory, this.openFiles);
  }

  /** TS2, TS3. */
  async remove(name: TimelineName): Promise<void> {
    const directory = this.directoryOf(name);
    for (const file of await readdir(directory)) await this.openFiles.close(join(directory, file));
    await rename(directory, directory + DELETED);
    await syncDirectory(dirname(directory));
    await rm(directory + DELETED, { recursive: true, force: true });
    await removeEmpty(dirname(directory));
  }
}

/** Harmless where there is something in it, or it is gone. */
async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!HARMLESS.has(codeOf(error))) throw error;
  }
}

const HARMLESS: ReadonlySet<unknown> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT']);

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
