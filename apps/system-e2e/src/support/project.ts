/** Projects, branches and endpoints through the public API, waited for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { api } from './system';

export interface Branch {
  readonly projectId: string;
  readonly branchId: string;
  readonly endpointId: string;
  readonly uri: string;
}

const ENDED = new Set(['finished', 'skipped', 'failed', 'error', 'cancelled']);

/** Waits until every operation of a project has ended. @throws when one failed */
export async function settled(projectId: string): Promise<void> {
  const client = await api();
  for (let attempt = 0; attempt < 6000; attempt++) {
    const { operations } = (await client.listProjectOperations({ projectId, limit: 100 })).data;
    const failed = operations.find((operation) => operation.status === 'failed');
    if (failed !== undefined) throw new Error(`${failed.action} failed: ${failed.error ?? ''}`);
    if (operations.every((operation) => ENDED.has(operation.status))) return;
    await sleep(50);
  }
  throw new Error(`operations of ${projectId} do not end`);
}

export interface ProjectOptions {
  readonly pgVersion?: number;
  /** Of Postgres, for its endpoints. */
  readonly settings?: Readonly<Record<string, string>>;
}

export async function createProject(name: string, { pgVersion, settings = {} }: ProjectOptions = {}): Promise<Branch> {
  const project = {
    name,
    ...(pgVersion === undefined ? {} : { pg_version: pgVersion }),
    default_endpoint_settings: { pg_settings: settings },
  };
  const { data } = await (await api()).createProject({ project });
  const [endpoint] = data.endpoints;
  const [uri] = data.connection_uris;
  if (endpoint === undefined || uri === undefined)
    throw new Error('a project comes with an endpoint and a connection URI');
  await settled(data.project.id);
  return { projectId: data.project.id, branchId: data.branch.id, endpointId: endpoint.id, uri: uri.connection_uri };
}

/** A branch with a read-write endpoint of its own. */
export async function createBranch(
  parent: Branch,
  { name, lsn, timestamp }: { name?: string; lsn?: string; timestamp?: string } = {},
): Promise<Branch> {
  const client = await api();
  const { data } = await client.createProjectBranch(parent.projectId, {
    branch: {
      parent_id: parent.branchId,
      ...(name === undefined ? {} : { name }),
      ...(lsn === undefined ? {} : { parent_lsn: lsn }),
      ...(timestamp === undefined ? {} : { parent_timestamp: timestamp }),
    },
    endpoints: [{ type: 'read_write' as never }],
  });
  const [endpoint] = data.endpoints;
  if (endpoint === undefined) throw new Error('the endpoint asked for is missing');
  await settled(parent.projectId);
  const { data: connection } = await client.getConnectionUri({
    projectId: parent.projectId,
    branch_id: data.branch.id,
    endpoint_id: endpoint.id,
    database_name: 'neondb',
    role_name: 'neondb_owner',
  });
  return { projectId: parent.projectId, branchId: data.branch.id, endpointId: endpoint.id, uri: connection.uri };
}

export async function suspend({ projectId, endpointId }: Branch): Promise<void> {
  const client = await api();
  await client.suspendProjectEndpoint(projectId, endpointId);
  await settled(projectId);
}

export async function endpointState({ projectId, endpointId }: Branch): Promise<string> {
  return (await (await api()).getProjectEndpoint(projectId, endpointId)).data.endpoint.current_state;
}

export async function deleteProject({ projectId }: Branch): Promise<void> {
  await (await api()).deleteProject(projectId);
}
