/** The public API as the command line uses it. */
import { z } from 'zod';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailure } from './progress';

const Project = z.object({ id: z.string(), name: z.string(), created_at: z.string() });
const Endpoint = z.object({ id: z.string(), host: z.string(), branch_id: z.string(), current_state: z.string() });
const Operation = z.object({ id: z.string(), action: z.string(), status: z.string(), error: z.string().optional() });
const ErrorBody = z.object({ message: z.string() });

const FINISHED = new Set(['finished', 'skipped']);
const FAILED = new Set(['failed', 'error', 'cancelled']);
const OPERATION_TIMEOUT_MS = 120_000;
const POLL_MS = 100;

export class Api {
  constructor(
    readonly baseUrl: string,
    private readonly apiKey: string,
  ) {}

  /** One request as it is; the answer's body. @throws CommandFailure with the status and message of an error */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.baseUrl}${path}`, {
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
  async createProject(name: string): Promise<string> {
    const created = z
      .object({ project: Project, operations: z.array(Operation) })
      .parse(await this.call('POST', '/projects', { project: { name } }));
    for (const operation of created.operations) await this.waitFor(created.project.id, operation.id);
    return created.project.id;
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
