/** The running system as its users and its operators touch it: the command line, the API, Postgres connections, signals. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createApiClient } from '@neondatabase/api-client';
import { Client, type QueryResultRow } from 'pg';
import { z } from 'zod';

const run = promisify(execFile);
const NEON = resolve(__dirname, '../../../../neon');

const Status = z.object({
  api: z.string(),
  apiKey: z.string(),
  proxy: z.object({ host: z.string(), port: z.number(), caFile: z.string() }),
  services: z.array(z.object({ name: z.string(), pid: z.number().nullable(), port: z.number(), healthy: z.boolean() })),
  projects: z.array(z.object({ id: z.string(), connectionUri: z.string() })),
});
export type Status = z.infer<typeof Status>;

export const home = (): string => {
  const path = process.env['NEON_E2E_HOME'];
  if (path === undefined) throw new Error('NEON_E2E_HOME is not set: run this suite through ./neon test --suite e2e');
  return path;
};

export async function neon(...args: string[]): Promise<string> {
  const { stdout } = await run(NEON, args, { env: { ...process.env, NEON_HOME: home() }, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

export const status = async (): Promise<Status> => Status.parse(JSON.parse(await neon('status', '--json')));

export async function api() {
  const { api: baseURL, apiKey } = await status();
  return createApiClient({ apiKey, baseURL });
}

/** A session through the proxy, with the certificate verified against our CA. */
export async function connect(uri: string, { database }: { database?: string } = {}): Promise<Client> {
  const url = new URL(uri);
  const { proxy } = await status();
  const client = new Client({
    host: proxy.host,
    port: proxy.port,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: database ?? url.pathname.slice(1),
    ssl: { ca: readFileSync(proxy.caFile, 'utf8'), servername: url.hostname },
    connectionTimeoutMillis: 60_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** One session for `use`, closed whatever happens. */
export async function withClient<T>(
  uri: string,
  use: (client: Client) => Promise<T>,
  options: { database?: string } = {},
): Promise<T> {
  const client = await connect(uri, options);
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export const query = <R extends QueryResultRow>(uri: string, sql: string, values: unknown[] = []): Promise<R[]> =>
  withClient(uri, async (client) => (await client.query<R>(sql, values)).rows);

/** Whether a connection and a query work now. */
export const answers = (uri: string): Promise<boolean> =>
  query(uri, 'SELECT 1').then(
    () => true,
    () => false,
  );

/** Sends a signal to services. Killed ones are gone when this returns. */
export async function signal(name: NodeJS.Signals, ...services: string[]): Promise<void> {
  const running = new Map((await status()).services.map((each) => [each.name, each.pid]));
  for (const service of services) {
    const pid = running.get(service);
    if (pid === undefined || pid === null) throw new Error(`${service} does not run`);
    process.kill(pid, name);
    if (name === 'SIGKILL') await until(`${service} is gone`, () => !alive(pid));
  }
}

export function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** The postmasters of all computes in this home: pid by data directory. */
function computes(): { pid: number; dataDirectory: string }[] {
  const listing = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' });
  return listing.split('\n').flatMap((line) => {
    const match = /^\s*(\d+) \S*bin\/postgres .*?-D (\S*\/data\/compute\S*)/.exec(line);
    return match?.[2]?.startsWith(home()) === true ? [{ pid: Number(match[1]), dataDirectory: match[2] }] : [];
  });
}

function computeOf(endpointId: string): { pid: number; dataDirectory: string } {
  const found = computes().find((compute) => compute.dataDirectory.includes(endpointId));
  if (found === undefined) throw new Error(`no compute of ${endpointId} runs`);
  return found;
}

/** More than one only while an older compute does not know yet that it is fenced. */
export const postmastersOf = (endpointId: string): number[] =>
  computes().flatMap((compute) => (compute.dataDirectory.includes(endpointId) ? [compute.pid] : []));

export const postmasterOf = (endpointId: string): number => computeOf(endpointId).pid;
export const dataDirectoryOf = (endpointId: string): string => computeOf(endpointId).dataDirectory;

export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 120_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not in ${timeoutMs} ms: ${what}`);
    await sleep(50);
  }
}

/** pgbench of the machine, through the proxy. @returns its output */
export function pgbench(uri: string, ...args: string[]): Promise<string> {
  const url = new URL(uri);
  const env = {
    ...process.env,
    PGHOSTADDR: '127.0.0.1',
    PGPASSWORD: decodeURIComponent(url.password),
    PGSSLMODE: 'require',
  };
  const target = ['-h', url.hostname, '-p', url.port, '-U', decodeURIComponent(url.username), url.pathname.slice(1)];
  return new Promise((done, fail) => {
    const child = spawn('pgbench', [...args, ...target], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', fail);
    child.once('exit', (code) =>
      code === 0 ? done(output) : fail(new Error(`pgbench ended with ${code}:\n${output.slice(-2_000)}`)),
    );
  });
}
