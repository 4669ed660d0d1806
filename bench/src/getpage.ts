/** How fast a pageserver answers reads of pages, asked as a compute's agent asks, past the compute. */
import { Lsn, TenantId, TimelineId } from '@neon/kernel';
import { BLOCKS_PER_REQUEST_MAX } from '@neon/pageserver-contract';
import { type PageRead, PageServiceClient } from '@neon/pageserver-client';
import { atEnd } from './at-end';
import { BenchProject, cpuSeconds, running } from './installation';
import { PageserverManagement, tokenIssuer } from './pageserver';
import { type Row, type Suite, duration, percentile, rate } from './row';

const ROW_COUNT = 150_000;
const READ_COUNT = 10_000;
const REQUESTS_IN_FLIGHT = 128;
const PIPELINED_MS = 5_000;
const CHAINED_PAGE_COUNT = 500;
const CHAIN_LENGTH = 100;

type Table = Omit<PageRead, 'lsn' | 'blocks'> & { readonly blockCount: number };

export const getpage: Suite = {
  name: 'getpage',
  what: 'pages from the pageserver at an LSN, images in its cache',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-getpage');
    const service = await PageService.open(project);
    await project.query(
      `CREATE TABLE flat AS SELECT n AS id, repeat(md5(n::text), 3) AS filler FROM generate_series(1, ${ROW_COUNT}) n`,
    );
    const flat = await tableOf(project, 'flat');
    const chained = await chainedTable(project);
    const lsn = Lsn.parse(String((await project.query('SELECT pg_current_wal_flush_lsn()::text AS lsn'))[0]?.['lsn']));
    // Before anything writes the layers out: these pages are read through their records, each once.
    const behindRecords = await timedReads(
      service.client,
      blocksInOrder(chained).map((block) => ({ ...readOf(chained, lsn), blocks: [block] })),
    );
    await service.settleLayers();
    await warm(service.client, flat, lsn);
    report(`${flat.blockCount} pages, ${REQUESTS_IN_FLIGHT} reads in flight`);
    const single = await timedReads(service.client, randomReads(flat, lsn));
    return [
      duration('one page at a time, p50', percentile(single, 0.5)),
      duration('one page at a time, p99', percentile(single, 0.99)),
      ...(await pipelined(service, flat, lsn)),
      duration(`a page behind ${CHAIN_LENGTH} updates, first read, p50`, percentile(behindRecords, 0.5)),
      duration(`a page behind ${CHAIN_LENGTH} updates, first read, p99`, percentile(behindRecords, 0.99)),
    ];
  },
};

/** The page service of the pageserver that has the project's first branch. */
class PageService {
  private constructor(
    readonly client: PageServiceClient,
    private readonly management: PageserverManagement,
    private readonly pid: number,
  ) {}

  static async open(project: BenchProject): Promise<PageService> {
    const compute = await project.compute();
    const ids = { tenantId: TenantId.parse(compute.tenantId), timelineId: TimelineId.parse(compute.timelineId) };
    const pageserver = running('pageserver');
    const token = await (await tokenIssuer()).issue({ scope: 'timeline', ...ids }, 3_600);
    const client = new PageServiceClient({ address: { host: '127.0.0.1', port: pageserver.port, ...ids, token } });
    await client.connect();
    atEnd(() => client.close());
    return new PageService(client, await PageserverManagement.open(project), pageserver.pid);
  }

  settleLayers = (): Promise<void> => this.management.settleLayers();

  /** CPU time of the whole pageserver so far. */
  cpuSeconds = (): number => cpuSeconds(this.pid);
}

/** One row to a page, and every page with room for a few versions: each pass adds an update, some a pruning too. */
async function chainedTable(project: BenchProject): Promise<Table> {
  const session = await project.connect();
  try {
    await session.query('CREATE TABLE chained (count int, filler text STORAGE PLAIN) WITH (fillfactor = 20)');
    await session.query(
      `INSERT INTO chained SELECT 0, repeat('x', 1200) FROM generate_series(1, ${CHAINED_PAGE_COUNT})`,
    );
    for (let pass = 0; pass < CHAIN_LENGTH; pass++) await session.query('UPDATE chained SET count = count + 1');
  } finally {
    await session.end();
  }
  return tableOf(project, 'chained');
}

async function tableOf(project: BenchProject, name: string): Promise<Table> {
  const [row] = await project.query(
    `SELECT oid_of.oid::int AS database, pg_relation_filenode('${name}')::int AS relation,
            (SELECT max((ctid::text::point)[0])::int + 1 FROM ${name}) AS blocks
     FROM pg_database oid_of WHERE datname = current_database()`,
  );
  return {
    tablespaceOid: 1663,
    databaseOid: Number(row?.['database']),
    relationNumber: Number(row?.['relation']),
    fork: 0,
    blockCount: Number(row?.['blocks']),
  };
}

const readOf = ({ tablespaceOid, databaseOid, relationNumber, fork }: Table, lsn: Lsn): Omit<PageRead, 'blocks'> => ({
  lsn,
  tablespaceOid,
  databaseOid,
  relationNumber,
  fork,
});

const blocksInOrder = ({ blockCount }: Table): number[] => Array.from({ length: blockCount }, (_, block) => block);

const randomBlock = ({ blockCount }: Table): number => Math.floor(Math.random() * blockCount);

const randomReads = (table: Table, lsn: Lsn): PageRead[] =>
  Array.from({ length: READ_COUNT }, () => ({ ...readOf(table, lsn), blocks: [randomBlock(table)] }));

async function warm(client: PageServiceClient, table: Table, lsn: Lsn): Promise<void> {
  const blocks = blocksInOrder(table);
  for (let first = 0; first < blocks.length; first += BLOCKS_PER_REQUEST_MAX)
    client.giveBack(
      await client.getPages({ ...readOf(table, lsn), blocks: blocks.slice(first, first + BLOCKS_PER_REQUEST_MAX) }),
    );
}

/** One after the other. @returns how long each took, in milliseconds */
async function timedReads(client: PageServiceClient, reads: readonly PageRead[]): Promise<number[]> {
  const samples: number[] = [];
  for (const read of reads) {
    const started = performance.now();
    client.giveBack(await client.getPages(read));
    samples.push(performance.now() - started);
  }
  return samples;
}

async function pipelined(service: PageService, table: Table, lsn: Lsn): Promise<Row[]> {
  const { client } = service;
  let pageCount = 0;
  const cpuBefore = service.cpuSeconds();
  const started = performance.now();
  const reader = async (): Promise<void> => {
    while (performance.now() - started < PIPELINED_MS) {
      client.giveBack(await client.getPages({ ...readOf(table, lsn), blocks: [randomBlock(table)] }));
      pageCount++;
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_IN_FLIGHT }, reader));
  const seconds = (performance.now() - started) / 1000;
  return [
    rate('pipelined, one page a request', pageCount / seconds, '/s'),
    rate('pages per second of pageserver CPU', pageCount / (service.cpuSeconds() - cpuBefore), '/s'),
  ];
}
