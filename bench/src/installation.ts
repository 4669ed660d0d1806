/** The running installation that is measured: found through `./neon status --json`, used through its public doors. */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApiClient } from '@neondatabase/api-client';
import { HostStatus } from '@neon/compute-contract';
import { Client } from 'pg';
import { z } from 'zod';
import { atEnd } from './at-end';

/** Where the installation keeps its keys and settings; `./neon bench` names it. */
export const home = (): string => process.env['NEON_HOME'] ?? resolve(CHECKOUT, '.neon');

export const CHECKOUT = resolve(__dirname, '../..');
const NEON = resolve(CHECKOUT, 'neon');
/** sysconf(_SC_CLK_TCK) of Linux. */
const CLOCK_TICKS_PER_SECOND = 100;

const Status = z.object({
  api: z.string(),
  apiKey: z.string(),
  proxy: z.object({ host: z.string(), port: z.number(), caFile: z.string() }),
  services: z.array(z.object({ name: z.string(), pid: z.number().nullable(), port: z.number(), healthy: z.boolean() })),
});

export const neon = (...args: string[]): string => execFileSync(NEON, args, { encoding: 'utf8' });
export const status = (): z.infer<typeof Status> => Status.parse(JSON.parse(neon('status', '--json')));

/** A service of the installation. @throws when it does not run */
export function running(name: string): { readonly pid: number; readonly port: number } {
  const service = status().services.find((each) => each.name === name);
  if (service?.pid == null) throw new Error(`${name} does not run`);
  return { pid: service.pid, port: service.port };
}

/** CPU time of a process so far, user and system. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

const ENDED = new Set(['finished', 'skipped']);

/** A project for one suite, deleted at its end, with what the suites need of it. */
export class BenchProject {
  private constructor(
    readonly installation: z.infer<typeof Status>,
    readonly id: string,
    readonly branchId: string,
    readonly endpointId: string,
    readonly uri: string,
  ) {}

  static async create(name: string): Promise<BenchProject> {
    const installation = status();
    const { data } = await apiOf(installation).createProject({ project: { name } });
    const project = new BenchProject(
      installation,
      data.project.id,
      data.branch.id,
      data.endpoints[0]?.id ?? '',
      data.connection_uris[0]?.connection_uri ?? '',
    );
    atEnd(() => project.api.deleteProject(project.id));
    await project.settled();
    return project;
  }

  get api() {
    return apiOf(this.installation);
  }

  async settled(): Promise<void> {
    for (;;) {
      const { operations } = (await this.api.listProjectOperations({ projectId: this.id, limit: 50 })).data;
      const failed = operations.find((operation) => operation.status === 'failed');
      if (failed !== undefined) throw new Error(`${failed.action} failed: ${failed.error ?? ''}`);
      if (operations.every((operation) => ENDED.has(operation.status))) return;
      await sleep(5);
    }
  }

  async suspend(): Promise<void> {
    await this.api.suspendProjectEndpoint(this.id, this.endpointId);
    await this.settled();
  }

  /** A session through the proxy. */
  async connect(): Promise<Client> {
    const url = new URL(this.uri);
    const { proxy } = this.installation;
    const client = new Client({
      host: proxy.host,
      port: proxy.port,
      ...this.login,
      ssl: { ca: readFileSync(proxy.caFile, 'utf8'), servername: url.hostname },
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async query(sql: string): Promise<Record<string, unknown>[]> {
    const client = await this.connect();
    return client
      .query<Record<string, unknown>>(sql)
      .then(({ rows }) => rows)
      .finally(() => client.end());
  }

  get login(): { user: string; password: string; database: string } {
    const url = new URL(this.uri);
    return {
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: url.pathname.slice(1),
    };
  }

  /** Where the compute itself listens, past the proxy. */
  async compute(): Promise<{ port: number; tenantId: string; timelineId: string }> {
    const hosts = this.installation.services.filter((service) => service.name.startsWith('compute-'));
    for (const { port } of hosts) {
      const { computes } = HostStatus.parse(await (await fetch(`http://127.0.0.1:${port}/v1/status`)).json());
      const found = computes.find((compute) => compute.computeId === this.endpointId);
      if (found?.address != null)
        return { port: found.address.port, tenantId: found.tenantId, timelineId: found.timelineId };
    }
    throw new Error(`no compute of ${this.endpointId} runs`);
  }
}

const apiOf = ({ api, apiKey }: { api: string; apiKey: string }) => createApiClient({ apiKey, baseURL: api });

/** Runs a program to its end. @returns what it printed */
export function runProgram(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = atEnd(() => child.kill());
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', fail);
    child.once('exit', (code) => {
      void end();
      if (code === 0) done(output);
      else fail(new Error(`${program} ended with ${code}: ${output.slice(-1_000)}`));
    });
  });
}
