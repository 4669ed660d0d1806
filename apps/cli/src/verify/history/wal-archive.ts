/**
 * The WAL of a timeline that began with an imported cluster, as an archive that stock Postgres recovers from.
 *
 *   A1  It is a safekeeper's segment files, and those that it has removed because the installation's archive has them. The first one begins with the cluster's own WAL, which no safekeeper was given.
 *   A2  The safekeeper is one that holds everything below `endLsn`.
 */
import { chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn } from '@neon/kernel';
import { ObjectPrefix, objectStoreOf } from '@neon/object-store';
import { WalSegment } from '@neon/postgres';
import { TimelineDetail } from '@neon/safekeeper-contract';
import { TokenIssuer } from '@neon/service-token';
import type { Installation } from '../../installation';
import { CommandFailure } from '../../progress';
import { objectStoreUrlOf } from '../../stack/services';

const WAIT_MS = 30_000;
const POLL_MS = 100;

export interface Timeline {
  readonly tenantId: string;
  readonly timelineId: string;
}

export interface WalArchive {
  readonly directory: string;
  readonly byteCount: number;
}

/** @param clusterDir what the timeline was imported from */
export async function archiveWal(
  installation: Installation,
  {
    timeline,
    endLsn,
    clusterDir,
    directory,
  }: {
    readonly timeline: Timeline;
    readonly endLsn: Lsn;
    readonly clusterDir: string;
    readonly directory: string;
  },
): Promise<WalArchive> {
  const { home } = installation.stack;
  const { id, detail } = await holderOf(installation, timeline, endLsn);
  const segments = join(home.directory, `data/safekeeper-${id}`, timeline.tenantId, timeline.timelineId);
  mkdirSync(directory);
  let byteCount = 0;
  for (const name of readdirSync(segments)) {
    if (WalSegment.parseFileName(name, detail.walSegmentSize) === null) continue;
    copyFileSync(join(segments, name), join(directory, name));
    byteCount += detail.walSegmentSize;
  }
  // Later than the files: what is removed meanwhile is there already.
  byteCount += await copyArchived(installation, timeline, directory);
  const address = { lsn: Lsn.parse(detail.startLsn), segmentSize: detail.walSegmentSize };
  const first = WalSegment.fileName(address);
  const content = readFileSync(join(directory, first));
  readFileSync(join(clusterDir, 'pg_wal', first)).copy(content, 0, 0, WalSegment.offset(address));
  writeFileSync(join(directory, first), content);
  if (home.user !== null)
    for (const path of ['.', ...readdirSync(directory)]) chownSync(join(directory, path), home.user.uid, home.user.gid);
  return { directory, byteCount };
}

/** @returns the size of what was not there yet */
async function copyArchived(
  { stack }: Installation,
  { tenantId, timelineId }: Timeline,
  directory: string,
): Promise<number> {
  const store = await objectStoreOf(objectStoreUrlOf(stack));
  let byteCount = 0;
  for await (const { key } of store.list(ObjectPrefix.of('wal', tenantId, timelineId, 'segments'))) {
    const path = join(directory, basename(key));
    if (existsSync(path)) continue;
    const object = await store.get(key);
    if (object === null) throw new CommandFailure(`${key} is gone from ${store.description}`);
    writeFileSync(path, object.bytes);
    byteCount += object.bytes.length;
  }
  await store.close();
  return byteCount;
}

async function holderOf(
  { stack }: Installation,
  { tenantId, timelineId }: Timeline,
  endLsn: Lsn,
): Promise<{ id: number; detail: TimelineDetail }> {
  const issuer = await TokenIssuer.fromPem(readFileSync(stack.secrets.tokenPrivateKeyFile, 'utf8'));
  const authorization = `Bearer ${await issuer.issue({ scope: 'management' }, 600)}`;
  for (const deadline = Date.now() + WAIT_MS; ;) {
    for (const id of stack.safekeepers) {
      const url = `http://127.0.0.1:${stack.ports[`safekeeper-${id}-http`]}/v1/tenants/${tenantId}/timelines/${timelineId}`;
      const response = await fetch(url, { headers: { authorization } });
      if (response.status === 404) continue;
      if (!response.ok) throw new CommandFailure(`safekeeper ${id}: ${response.status} ${await response.text()}`);
      const detail = TimelineDetail.parse(await response.json());
      if (Lsn.parse(detail.flushLsn) >= endLsn) return { id, detail };
    }
    if (Date.now() > deadline) throw new CommandFailure(`no safekeeper holds the WAL up to ${Lsn.format(endLsn)}`);
    await sleep(POLL_MS);
  }
}
