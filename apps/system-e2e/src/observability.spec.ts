/** What operators see: one trace from a client's connection to storage, metrics that the manual explains, logs without ghosts. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { Collector } from './support/collector';
import { type Branch, createProject, deleteProject, suspend } from './support/project';
import { home, neon, query, signal, until } from './support/system';

const SERVICES = ['proxy', 'control-plane', 'compute', 'pageserver', 'safekeeper'] as const;
type ServiceName = (typeof SERVICES)[number];

let project: Branch;
beforeAll(async () => {
  project = await createProject('observability');
});
afterAll(() => deleteProject(project));

describe('a cold connection', () => {
  let collector: Collector;
  let traceId = '';
  beforeAll(async () => {
    const url = process.env['NEON_OTLP_URL'];
    if (url === undefined) throw new Error('NEON_OTLP_URL of the installation must be set');
    await suspend(project);
    collector = await Collector.listen(url);
    await query(project.uri, 'SELECT 1');
    // Each process sends on its own, every 5 s.
    const isWhole = () =>
      services().size === SERVICES.length && named('safekeeper election').length >= 2 && orphans().length === 0;
    await until('the trace is whole', isWhole);
    traceId = trace()[0]?.traceId ?? '';
  });
  afterAll(() => collector.close());

  const trace = () => collector.traceOf('proxy handshake');
  const services = () => new Set(trace().map(({ service }) => service));
  /** Spans whose parent is not there. */
  const orphans = () => {
    const ids = new Set(trace().map(({ spanId }) => spanId));
    return trace().filter(({ parentSpanId }) => parentSpanId !== undefined && !ids.has(parentSpanId));
  };
  const named = (name: string) => trace().filter((span) => span.name === name);

  it('is one trace from the proxy to storage, whole to its last span', () => {
    expect(collector.problems).toEqual([]);
    expect([...services()].sort()).toEqual([...SERVICES].sort());
    expect(orphans()).toEqual([]);
    expect(trace().filter(({ parentSpanId }) => parentSpanId === undefined)).toMatchObject([
      { service: 'proxy', name: 'proxy handshake' },
    ]);
  });

  it('shows storage below the step of the start that waited for it', () => {
    const [election] = named('compute election');
    const [basebackup] = named('compute basebackup');
    const votes = named('safekeeper election');
    expect(votes.length).toBeGreaterThanOrEqual(2);
    for (const vote of votes) expect(vote).toMatchObject({ service: 'safekeeper', parentSpanId: election?.spanId });
    expect(named('pageserver basebackup')).toMatchObject([{ service: 'pageserver', parentSpanId: basebackup?.spanId }]);
  });

  it('leaves the trace to its own time: what a compute logs later belongs to none', async () => {
    await signal('SIGKILL', 'safekeeper-3');
    const lost = () =>
      logged('compute').filter(
        ({ msg, computeId }) => msg === 'safekeeper disconnected' && computeId === project.endpointId,
      );
    await until('the compute noticed', () => lost().length > 0);
    await neon('up');
    for (const line of lost()) expect(line.traceId).toBeUndefined();
    expect(logged('compute').filter((line) => line.traceId === traceId && line.msg === 'compute started')).toHaveLength(
      1,
    );
  });
});

it('without a collector nothing is said about it', () => {
  const complaints = SERVICES.flatMap(logged).filter(
    ({ level, text }) => level !== 'info' && /otlp|opentelemetry|traces/i.test(text),
  );
  expect(complaints).toEqual([]);
});

describe('/metrics', () => {
  const documented = readManual();
  /** They show from their first event on. */
  const sometimes = new Set(documented.filter(({ meaning }) => meaning.includes('(from its first on)')).map(nameOf));
  const texts = new Map<ServiceName, string>();
  beforeAll(async () => {
    for (const service of SERVICES) texts.set(service, await metricsOf(service));
  });

  it.each(SERVICES)('of %s are exactly those of the manual', (service) => {
    const exported = [...(texts.get(service) ?? '').matchAll(/^# TYPE (\S+) (\S+)$/gm)]
      .map(([, name = '', type = '']) => ({ name, type }))
      .filter(({ name }) => name !== 'target_info');
    const due = documented.filter((row) => row.service === service || row.service === 'all');
    expect(exported.filter(({ name, type }) => !due.some((row) => row.name === name && row.type === type))).toEqual([]);
    const present = new Set(exported.map(nameOf));
    expect(due.map(nameOf).filter((name) => !present.has(name) && !sometimes.has(name))).toEqual([]);
  });

  it.each(SERVICES)('of %s name no tenant, timeline, project or endpoint', (service) => {
    expect(texts.get(service)).not.toMatch(/\b(ep|br)-[a-z]+-|[0-9a-f]{32}/);
  });
});

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

/** The rows of the tables of docs/operations/metrics.md. */
function readManual() {
  const text = readFileSync(resolve(__dirname, '../../../docs/operations/metrics.md'), 'utf8');
  let service = '';
  return text.split('\n').flatMap((line) => {
    service = /^## (\S+)$/.exec(line)?.[1] ?? service;
    const [, name, type, meaning] = /^\| `(\w+)[^`]*` +\| (\w+) +\| (.*?) *\|$/.exec(line) ?? [];
    return name === undefined || type === undefined || meaning === undefined ? [] : [{ service, name, type, meaning }];
  });
}

const PORTS = {
  proxy: 'proxy-http',
  'control-plane': 'api',
  compute: 'compute-1-http',
  pageserver: 'pageserver-http',
  safekeeper: 'safekeeper-1-http',
} as const satisfies Record<ServiceName, string>;

async function metricsOf(service: ServiceName): Promise<string> {
  const config = z
    .object({ ports: z.record(z.string(), z.number()) })
    .parse(JSON.parse(readFileSync(join(home(), 'config.json'), 'utf8')));
  const response = await fetch(`http://127.0.0.1:${config.ports[PORTS[service]]}/metrics`);
  expect(response.status).toBe(200);
  return response.text();
}

const Line = z.object({
  level: z.string(),
  msg: z.string().optional(),
  computeId: z.string().optional(),
  traceId: z.string().optional(),
});

/** The log lines of all processes of a service. */
function logged(service: ServiceName): (z.infer<typeof Line> & { text: string })[] {
  const directory = join(home(), 'logs');
  return readdirSync(directory)
    .filter((file) => file.startsWith(service))
    .flatMap((file) => wholeLines(readFileSync(join(directory, file), 'utf8')))
    .flatMap((text) => {
      if (!text.startsWith('{')) return text.trim() === '' ? [] : [{ level: 'text', text }];
      return [{ ...Line.parse(JSON.parse(text)), text }];
    });
}

/** The last one may be half written. */
const wholeLines = (text: string): string[] => text.split('\n').slice(0, -1);
