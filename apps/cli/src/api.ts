/** The public API as the command line uses it. */
import { z } from 'zod';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailure } from './progress';

const Project = z.object({ id: z.string(), name: z.string(), created_at: z.string() });
const Endpoint = z.object({ id: z.string(), host: z.string(), branch_id: z.string(), current_state: z.string() });
const Operation = z.object({ id: z.string(), action: z.string(), status: z.string(), error: z.string().optional() });
const Branch = z.object({ id: z.string(), parent_lsn: z.string().optional() });
const ErrorBody = z.object({ message: z.string() });

const FINISHED = new Set(['finished', 'skipped']);
const FAILED = new Set(['failed', 'error', 'cancelled']);
const OPERATION_TIMEOUT_MS = 120_000;
const POLL_MS = 100;

/** Postgres settings by name. */
export type PgSettings = Readonly<Record<string, string>>;

export class Api {
  constructor(
    readonly baseUrl: string,
    private readonly apiKey: string,
  ) {}

  /** One request as it is; the answer's body. @throws CommandFailure with the status and message of an error */
  call(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.send(`${this.baseUrl}${path}`, method, { path, body });
  }

  /** The same for what operators ask, which is not part of the public API. @throws CommandFailure */
  operator(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.send(new URL(`/operator/v1${path}`, this.baseUrl).href, method, { path, body });
  }

  private async send(
    url: string,
    method: string,
    { path, body }: { readonly path: string; readonly body: unknown },
  ): Promise<unknown> {
    const response = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${this.apiKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = response.status === 204 ? null : await response.json();
    if (response.ok) return answer;
    const { data } = ErrorBody.safeParse(answer);
    throw new CommandFailure(`${method} ${path}: ${response.status} ${data?.message ?? ''}`);
  }

  async projects(): Promise<z.infer<typeof Project>[]> {
    return z.object({ projects: z.array(Project) }).parse(await this.call('GET', '/projects?limit=100')).projects;
  }

  async endpoints(projectId: string): Promise<z.infer<typeof Endpoint>[]> {
    return z.object({ endpoints: z.array(Endpoint) }).parse(await this.call('GET', `/projects/${projectId}/endpoints`))
      .endpoints;
  }

  /** The URI of the project's first database and role, through `endpointId` when one is given. */
  async connectionUri(
    projectId: string,
    {
      endpointId,
      database = 'neondb',
      role = 'neondb_owner',
    }: { endpointId?: string; database?: string; role?: string } = {},
  ): Promise<string> {
    const query = new URLSearchParams({
      database_name: database,
      role_name: role,
      ...(endpointId === undefined ? {} : { endpoint_id: endpointId }),
    });
    return z
      .object({ uri: z.string() })
      .parse(await this.call('GET', `/projects/${projectId}/connection_uri?${query.toString()}`)).uri;
  }

  /** Creates a project and waits until its operations have ended. */
  async createProject(
    name: string,
    { major, settings }: { major?: number; settings?: PgSettings } = {},
  ): Promise<string> {
    const version = major === undefined ? {} : { pg_version: major };
    const defaults = settings === undefined ? {} : { default_endpoint_settings: { pg_settings: settings } };
    const created = z
      .object({ project: Project, operations: z.array(Operation) })
      .parse(await this.call('POST', '/projects', { project: { name, ...version, ...defaults } }));
    for (const operation of created.operations) await this.waitFor(created.project.id, operation.id);
    return created.project.id;
  }

  /** Creates a branch of the default branch at an LSN, with an endpoint that has settings of its own, and waits for it. */
  async createBranch(
    projectId: string,
    { name, lsn, settings }: { name: string; lsn: string; settings: PgSettings },
  ): Promise<{ branchId: string; endpointId: string; startLsn: string }> {
    const { branch, endpoints, operations } = z
      .object({ branch: Branch, endpoints: z.array(Endpoint), operations: z.array(Operation) })
      .parse(
        await this.call('POST', `/projects/${projectId}/branches`, {
          branch: { name, parent_lsn: lsn },
          endpoints: [{ type: 'read_write', settings: { pg_settings: settings } }],
        }),
      );
    for (const operation of operations) await this.waitFor(projectId, operation.id);
    const [endpoint] = endpoints;
    if (endpoint === undefined) throw new CommandFailure(`branch ${branch.id} has no endpoint`);
    const startLsn = await this.startOfBranch(projectId, branch.id);
    return { branchId: branch.id, endpointId: endpoint.id, startLsn };
  }

  /** Where it really starts: known once it is made. */
  private async startOfBranch(projectId: string, branchId: string): Promise<string> {
    const answer = await this.call('GET', `/projects/${projectId}/branches/${branchId}`);
    const { branch } = z.object({ branch: Branch }).parse(answer);
    if (branch.parent_lsn === undefined) throw new CommandFailure(`branch ${branchId} does not say where it starts`);
    return branch.parent_lsn;
  }

  async deleteBranch(projectId: string, branchId: string): Promise<void> {
    await this.waitForAll(projectId, await this.call('DELETE', `/projects/${projectId}/branches/${branchId}`));
  }

  async suspend(projectId: string, endpointId: string): Promise<void> {
    await this.waitForAll(projectId, await this.call('POST', `/projects/${projectId}/endpoints/${endpointId}/suspend`));
  }

  private async waitForAll(projectId: string, answer: unknown): Promise<void> {
    const { operations } = z.object({ operations: z.array(Operation) }).parse(answer);
    for (const operation of operations) await this.waitFor(projectId, operation.id);
  }

  async deleteProject(projectId: string): Promise<void> {
    await this.call('DELETE', `/projects/${projectId}`);
  }

  private async waitFor(projectId: string, operationId: string): Promise<void> {
    const deadline = Date.now() + OPERATION_TIMEOUT_MS;
    for (;;) {
      const answer = await this.call('GET', `/projects/${projectId}/operations/${operationId}`);
      const { operation } = z.object({ operation: Operation }).parse(answer);
      if (FINISHED.has(operation.status)) return;
      if (FAILED.has(operation.status) || Date.now() > deadline) {
        throw new CommandFailure(`${operation.action} is ${operation.status}: ${operation.error ?? 'no reason given'}`);
      }
      await sleep(POLL_MS);
    }
  }
}
