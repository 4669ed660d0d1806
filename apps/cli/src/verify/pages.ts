/**
 * `./neon verify pages`: after a workload and a CHECKPOINT, every page in the compute's files equals the pageserver's page
 * at that LSN, masked as Postgres masks for its own consistency check.
 *
 *   V1  Main forks of all permanent relations, of every database and the shared ones, agree page by page. A file may end in
 *       empty pages that WAL has not told of yet (bulk extension); the pageserver never has a page beyond the file's end.
 *   V2  Visibility maps agree, or the pageserver's has fewer bits: a missing bit costs a look at the heap, a wrong one a
 *       wrong answer. (CREATE DATABASE logs the map's pages so that they replay as empty, in Postgres itself too.)
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lsn, Refusal, TenantId, TimelineId } from '@neon/kernel';
import { type PageRead, PageServiceClient } from '@neon/pageserver-client';
import { type PageKind, type PostgresMajor, comparePages as comparePair, pageKindOf } from '@neon/postgres';
import { TokenIssuer } from '@neon/service-token';
import { Client } from 'pg';
import { type Installation, openRunningInstallation } from '../installation';
import { CommandFailure, say, step } from '../progress';
import { type LocalCompute, computeOf } from './local-compute';
import { statements } from './workload';

type RelationFork = Omit<PageRead, 'lsn' | 'blocks'>;

const PAGE_SIZE = 8192;
const PAGE_HEADER_SIZE = 24;
const BATCH = 64;
const MAIN = 0;
const VISIBILITY_MAP = 2;
const SECOND_DATABASE = 'verify_second';
const DIFFERENCES_SHOWN = 20;

export interface PageReport {
  readonly lsn: Lsn;
  relations: number;
  pages: number;
  emptierMaps: number;
  readonly differences: string[];
}

export interface VerifyPagesOptions {
  readonly quick: boolean;
  readonly seed: number;
  readonly version: PostgresMajor;
}

export async function verifyPages({ quick, seed, version }: VerifyPagesOptions): Promise<void> {
  say(`Postgres ${version}, seed ${seed}`);
  const installation = await openRunningInstallation();
  const { projectId, endpointId, uri } = await step('creating a project', () => newProject(installation, version));
  try {
    const steps = quick ? 60 : 600;
    await step(`running ${steps} steps in each of two databases`, () => runWorkload(uri, seed, steps));
    const report = await step('comparing every page', () => comparePages(installation, endpointId));
    say(
      `${report.relations} relation forks, ${report.pages} pages compared at ${Lsn.format(report.lsn)}, ${report.differences.length} differences, ${report.emptierMaps} visibility-map pages with fewer bits`,
    );
    if (report.differences.length > 0)
      throw new CommandFailure(
        `the pageserver differs (seed ${seed}):\n${report.differences.slice(0, DIFFERENCES_SHOWN).join('\n')}`,
      );
  } finally {
    await installation.api.deleteProject(projectId);
  }
}

/** V1 and V2 for a compute that runs and that nobody else uses. */
export async function comparePages(installation: Installation, endpointId: string): Promise<PageReport> {
  const compute = await computeOf(installation, endpointId);
  return compareAll(installation, compute, await settle(compute));
}

interface NewProject {
  readonly projectId: string;
  readonly endpointId: string;
  readonly uri: string;
}

async function newProject({ api }: Installation, major: number): Promise<NewProject> {
  const projectId = await api.createProject('verify-pages', { major });
  const [endpoint] = await api.endpoints(projectId);
  if (endpoint === undefined) throw new CommandFailure('the project has no endpoint');
  return { projectId, endpointId: endpoint.id, uri: await api.connectionUri(projectId) };
}

async function runWorkload(uri: string, seed: number, steps: number): Promise<void> {
  const session = async (database: string | undefined, run: (client: Client) => Promise<void>): Promise<void> => {
    const url = new URL(uri);
    const client = new Client({
      host: '127.0.0.1',
      port: Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: database ?? url.pathname.slice(1),
      ssl: { rejectUnauthorized: false, servername: url.hostname },
    });
    await client.connect();
    await run(client).finally(() => client.end());
  };
  const execute = async (client: Client, from: number): Promise<void> => {
    for (const sql of statements(from, steps)) await client.query(sql);
  };
  await session(undefined, async (client) => {
    await execute(client, seed);
    await client.query(`CREATE DATABASE ${SECOND_DATABASE}`);
  });
  await session(SECOND_DATABASE, (client) => execute(client, seed + 1));
}

/** No autovacuum any more, every block of every relation read, everything on disk. @returns the LSN the files are at */
async function settle(compute: LocalCompute): Promise<Lsn> {
  return compute.withAdmin('postgres', async (admin) => {
    await admin.query('ALTER SYSTEM SET autovacuum = off');
    await admin.query('SELECT pg_reload_conf()');
    for (const database of await databases(admin)) {
      await compute.withAdmin(database.name, async (client) => {
        await client.query('CREATE EXTENSION IF NOT EXISTS pg_prewarm');
        for (const { oid, fork } of await forks(client))
          await client.query("SELECT pg_prewarm($1::oid::regclass, 'read', $2)", [oid, fork]);
      });
    }
    await admin.query('CHECKPOINT');
    const { rows } = await admin.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
    return Lsn.parse(rows[0]?.lsn ?? '');
  });
}

const databases = async (client: Client): Promise<{ name: string }[]> =>
  (await client.query<{ name: string }>('SELECT datname AS name FROM pg_database WHERE datallowconn ORDER BY oid'))
    .rows;

interface ForkFile {
  readonly oid: number;
  readonly name: string;
  readonly path: string;
  readonly fork: 'main' | 'vm';
}

/** Every fork of this database's permanent relations and the shared ones that has a file; the free space map is not WAL-logged. */
async function forks(client: Client): Promise<ForkFile[]> {
  const { rows } = await client.query<ForkFile>(
    `SELECT c.oid, c.oid::regclass::text AS name, pg_relation_filepath(c.oid) AS path, fork
     FROM pg_class c, unnest(ARRAY['main', 'vm']) fork
     WHERE relpersistence = 'p' AND pg_relation_filepath(c.oid) IS NOT NULL AND pg_relation_size(c.oid, fork) > 0
     ORDER BY c.oid, fork`,
  );
  return rows;
}

async function compareAll(installation: Installation, compute: LocalCompute, lsn: Lsn): Promise<PageReport> {
  const identity = { tenantId: TenantId.parse(compute.tenantId), timelineId: TimelineId.parse(compute.timelineId) };
  const issuer = await TokenIssuer.fromPem(readFileSync(installation.stack.secrets.tokenPrivateKeyFile, 'utf8'));
  const token = await issuer.issue({ scope: 'timeline', ...identity }, 3_600);
  const port = installation.stack.ports['pageserver-pages'];
  const { host } = installation.stack.placeOf('pageserver');
  const reader = new PageServiceClient({ address: { host, port, ...identity, token } });
  const report: PageReport = { lsn, relations: 0, pages: 0, emptierMaps: 0, differences: [] };
  try {
    await compute.withAdmin('postgres', async (admin) => {
      const seen = new Set<string>();
      for (const { name } of await databases(admin)) {
        const files = await compute.withAdmin(name, forks);
        for (const file of files) {
          const key = `${file.path} ${file.fork}`;
          if (seen.has(key)) continue;
          seen.add(key);
          await compareFork(reader, compute, file, lsn, report);
        }
      }
    });
  } finally {
    await reader.close();
  }
  return report;
}

/** `base/<database>/<relation>` or `global/<relation>` (GetRelationPath, common/relpath.c). */
function relationOf({ path, fork }: ForkFile): RelationFork {
  const [, database, relation] = /^(?:base\/(\d+)|global)\/(\d+)$/.exec(path) ?? [];
  if (relation === undefined) throw new CommandFailure(`a relation outside base/ and global/: ${path}`);
  return {
    tablespaceOid: database === undefined ? 1664 : 1663,
    databaseOid: Number(database ?? 0),
    relationNumber: Number(relation),
    fork: fork === 'vm' ? VISIBILITY_MAP : MAIN,
  };
}

async function compareFork(
  reader: PageServiceClient,
  compute: LocalCompute,
  file: ForkFile,
  lsn: Lsn,
  report: PageReport,
): Promise<void> {
  const local = readFileSync(join(compute.dataDirectory, file.fork === 'vm' ? `${file.path}_vm` : file.path));
  const relation = relationOf(file);
  const fileBlockCount = local.length / PAGE_SIZE;
  const blockCount = usedBlockCount(local);
  report.relations += 1;
  for (let first = 0; first < blockCount; first += BATCH) {
    const blocks = Array.from({ length: Math.min(BATCH, blockCount - first) }, (_, i) => first + i);
    const remote = await reader.getPages({ ...relation, lsn, blocks }).catch((error: unknown) => {
      report.differences.push(`${file.name} (${file.fork}) blocks ${first}…: ${String(error)}`);
      return null;
    });
    if (remote === null) return;
    for (const [i, block] of blocks.entries()) {
      const pages = {
        local: local.subarray(block * PAGE_SIZE, (block + 1) * PAGE_SIZE),
        remote: remote.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE),
      };
      comparePage(file, block, pages, report);
    }
  }
  const beyond = await reader.getPages({ ...relation, lsn, blocks: [fileBlockCount] }).then(
    () => 'a page beyond the end',
    (error: unknown) => (error instanceof Refusal && error.code === 'BlockOutOfRange' ? null : String(error)),
  );
  if (beyond !== null)
    report.differences.push(
      `${file.name} (${file.fork}) block ${fileBlockCount}, the first that is not there: ${beyond}`,
    );
}

/** Blocks up to the last that is not all zeros. */
function usedBlockCount(file: Buffer): number {
  let end = file.length;
  while (end > 0 && file[end - 1] === 0) end--;
  return Math.ceil(end / PAGE_SIZE);
}

interface PagePair {
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
}

function comparePage(file: ForkFile, block: number, { local, remote }: PagePair, report: PageReport): void {
  report.pages += 1;
  const kind: PageKind = file.fork === 'vm' ? 'visibility-map' : pageKindOf(local, block);
  const mismatch = comparePair(local, remote, { kind, block, fromFile: true });
  if (mismatch === null) return;
  const { expected, actual, offset, byteCount } = mismatch;
  if (
    kind === 'visibility-map' &&
    actual.every((byte, at) => at < PAGE_HEADER_SIZE || (byte & (expected[at] ?? 0)) === byte)
  ) {
    report.emptierMaps += 1;
    return;
  }
  const excerpt = (page: Uint8Array): string => Buffer.from(page.subarray(offset, offset + 8)).toString('hex');
  report.differences.push(
    `${file.name} (${file.fork}, ${kind}, ${file.path}) block ${block}: ${byteCount} bytes differ from byte ${offset} on: compute ${excerpt(expected)}, pageserver ${excerpt(actual)}`,
  );
}
