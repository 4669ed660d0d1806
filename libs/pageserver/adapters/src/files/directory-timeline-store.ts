/** Timelines as directories: `<root>/<tenant>/<timeline>/`. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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
    }
    return found;
  }

  async open(name: TimelineName): Promise<TimelineFiles> {
    const directory = this.directoryOf(name);
    const made = await mkdir(dirname(directory), { recursive: true, mode: 0o700 });
    // A timeline is only as durable as its tenant's name.
    if (made !== undefined) await syncDirectory(this.root);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await syncDirectory(dirname(directory));
    for (const file of await readdir(directory))
      if (file.endsWith(TEMPORARY)) await rm(join(directory, file), { force: true });
    return new DirectoryTimelineFiles(directory, this.openFiles);
  }

  /** The rename is the deletion; what follows may be interrupted. */
  async remove(name: TimelineName): Promise<void> {
    const directory = this.directoryOf(name);
    for (const file of await readdir(directory)) await this.openFiles.close(join(directory, file));
    await rename(directory, directory + DELETED);
    await syncDirectory(dirname(directory));
    await rm(directory + DELETED, { recursive: true, force: true });
  }
}
