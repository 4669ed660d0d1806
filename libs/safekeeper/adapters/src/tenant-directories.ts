/**
 * The directories of tenants in a data directory, `<data>/<tenant>/`, which timelines and copies of timelines are made in.
 *
 *   TD1  When `make` has resolved, the tenant's name survives a power cut, for everybody who makes something in it.
 *   TD2  A name that may not last is taken back, as nothing lies in the directory yet: a failed sync is not made good by another.
 */
import { join } from 'node:path';
import type { TenantId } from '@neon/kernel';
import { type Disk, nodeDisk } from './disk';
import { syncDirectory } from './durable-file';

export class TenantDirectories {
  /** Those that are there, or being made. At the start of the process `FileTimelineDirectory.list` makes sure of what is there. */
  private readonly made = new Map<TenantId, Promise<void>>();
  /** TD2: of names that could not be taken back either. */
  private readonly doubtful = new Set<TenantId>();

  constructor(
    readonly root: string,
    readonly disk: Disk = nodeDisk,
  ) {}

  async make(tenantId: TenantId): Promise<void> {
    const making = this.made.get(tenantId) ?? this.makeDurably(tenantId);
    this.made.set(tenantId, making);
    try {
      await making;
    } catch (error) {
      if (this.made.get(tenantId) === making) this.made.delete(tenantId);
      throw error;
    }
  }

  private async makeDurably(tenantId: TenantId): Promise<void> {
    const directory = join(this.root, tenantId);
    if (this.doubtful.has(tenantId)) await this.disk.remove(directory);
    this.doubtful.delete(tenantId);
    if ((await this.disk.mkdir(directory)) === undefined) return;
    this.doubtful.add(tenantId);
    try {
      await syncDirectory(this.disk, this.root);
    } catch (error) {
      await this.disk.remove(directory);
      this.doubtful.delete(tenantId);
      throw error;
    }
    this.doubtful.delete(tenantId);
  }
}
