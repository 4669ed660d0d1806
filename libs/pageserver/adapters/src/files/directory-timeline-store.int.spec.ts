import { mkdtempSync, rmSync } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TenantId, TimelineId } from '@neon/kernel';
import { DirectoryTimelineStore } from './directory-timeline-store';
import { OpenFiles } from './open-files';

const synced: string[] = [];
// Directories are opened for nothing but their sync.
jest.mock('node:fs/promises', (): typeof FileSystem => {
  const real = jest.requireActual<typeof FileSystem>('node:fs/promises');
  return { ...real, open: (path, ...rest) => (synced.push(String(path)), real.open(path, ...rest)) };
});

it("a tenant's first timeline is as durable as its names: in the tenant's directory, and the tenant's in the root", async () => {
  const root = mkdtempSync(join(tmpdir(), 'neon-store-'));
  try {
    const store = new DirectoryTimelineStore(root, new OpenFiles(8));
    await store.list();
    const tenantId = TenantId.parse('a'.repeat(32));
    await store.open({ tenantId, timelineId: TimelineId.parse('1'.repeat(32)) });
    expect(synced).toEqual([root, join(root, tenantId)]);
    synced.length = 0;
    await store.open({ tenantId, timelineId: TimelineId.parse('2'.repeat(32)) });
    expect(synced).toEqual([join(root, tenantId)]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
