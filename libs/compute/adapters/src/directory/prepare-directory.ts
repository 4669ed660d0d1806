/**
 * From a basebackup to a data directory that stock Postgres starts from: fetched, planned, laid out.
 *
 * What holds of the result: `directory-plan.ts` and `start-point.ts`. The configuration files are not part of it.
 */
import type { ComputeSpec } from '@neon/compute-contract';
import {
  type DirectoryPlan,
  type PlannedFile,
  decodeRelations,
  planDirectory,
  planStartPoint,
} from '@neon/compute-core';
import { Corrupt, type Lsn } from '@neon/kernel';
import type { PageServiceClient } from '@neon/pageserver-client';
import { BasebackupManifest } from '@neon/pageserver-contract';
import type { SparseWalFile } from '@neon/postgres';
import type { PostgresUser } from '@neon/postgres-server';
import { writeArena } from '../pages/arena';
import { layOut } from './lay-out';
import type { ExistingTree } from './spare-directories';
import { readTar } from './tar-reader';

export interface Preparation {
  readonly plan: DirectoryPlan;
  /** For pg_wal. */
  readonly walFiles: readonly SparseWalFile[];
}

export interface PreparedDirectory {
  /** Its parent exists; it does when there is a spare. */
  readonly directory: string;
  readonly spare: ExistingTree | null;
  readonly arena: string;
  readonly owner: PostgresUser | null;
}

const MANIFEST = 'neon/manifest.json';
const RELATIONS = 'neon/relations';
const CONTROL_FILE = 'global/pg_control';

/** @throws Corrupt when it is not the basebackup that was asked for */
export function planPreparation(archive: Buffer, spec: ComputeSpec, startLsn: Lsn): Preparation {
  const files = new Map(readTar(archive).map((file) => [file.path, file]));
  const manifest = parseManifest(take(files, MANIFEST));
  const relations = decodeRelations(take(files, RELATIONS).content);
  const startPoint = planStartPoint(manifest, take(files, CONTROL_FILE).content, { ...spec, startLsn });
  files.set(CONTROL_FILE, { path: CONTROL_FILE, content: startPoint.controlFile });
  return { plan: planDirectory({ relations, files: [...files.values()] }), walFiles: startPoint.walFiles };
}

export async function prepareDirectory(
  { plan, walFiles }: Preparation,
  { directory, spare, arena, owner }: PreparedDirectory,
): Promise<void> {
  layOut({ directory, spare, plan, walFiles, owner });
  await writeArena(arena, plan.placeholders, owner ?? undefined);
}

/** The whole tarball: it holds small files alone. The compute is going to write at `lsn`: nothing may be beyond. */
export async function fetchBasebackup(pageService: PageServiceClient, lsn: Lsn): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of pageService.basebackup({ lsn, head: true })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function take(files: Map<string, PlannedFile>, path: string): PlannedFile {
  const file = files.get(path);
  if (file === undefined) throw new Corrupt(`basebackup without ${path}`);
  files.delete(path);
  return file;
}

function parseManifest({ content }: PlannedFile): BasebackupManifest {
  try {
    return BasebackupManifest.parse(JSON.parse(Buffer.from(content).toString('utf8')));
  } catch (cause) {
    throw new Corrupt('basebackup with a malformed manifest', { cause });
  }
}
