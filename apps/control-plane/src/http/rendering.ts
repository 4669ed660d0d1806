/** Rows of the read tables as the API shows them. */
import type {
  ApiKey,
  BranchRow,
  DatabaseRow,
  EndpointRow,
  OperationRow,
  ProjectRow,
  RoleRow,
} from '@neon/control-plane-adapters';
import type {
  branchApi,
  connectionApi,
  databaseApi,
  endpointApi,
  operationApi,
  projectApi,
  roleApi,
} from '@neon/control-plane-contract';
import { AllowedIps, EndpointSettings, type ProxyAddress, connectionUri, endpointHost } from '@neon/control-plane-core';
import { z } from 'zod';

/** There is one account: whoever runs the installation. */
export const ACCOUNT_ID = '00000000-0000-4000-8000-000000000001';
const CREATION_SOURCE = 'console';
/** Every compute is a process of a fixed size. */
const PROVISIONER = 'k8s-pod';
/** What is not measured yet reads zero, for the schema demands it. */
const NO_CONSUMPTION = {
  cpu_used_sec: 0,
  compute_time_seconds: 0,
  active_time_seconds: 0,
  written_data_bytes: 0,
  data_transfer_bytes: 0,
};

export interface Place {
  readonly proxy: ProxyAddress;
  readonly regionId: string;
}

/** To the second, as the API writes times. */
export const timeOf = (date: Date): string => date.toISOString().replace(/\.\d{3}Z$/, 'Z');

export function projectItem(row: ProjectRow, { proxy, regionId }: Place): projectApi.ProjectListItem {
  const defaults = EndpointSettings.parse(row.defaultEndpointSettings);
  const allowedIps = AllowedIps.parse(row.allowedIps);
  return {
    id: row.id,
    platform_id: regionId.split('-')[0] ?? '',
    region_id: row.regionId,
    name: row.name,
    provisioner: PROVISIONER,
    default_endpoint_settings: {
      pg_settings: defaults.pgSettings,
      autoscaling_limit_min_cu: defaults.autoscalingLimitMinCu,
      autoscaling_limit_max_cu: defaults.autoscalingLimitMaxCu,
      suspend_timeout_seconds: defaults.suspendTimeoutSeconds,
    },
    settings: {
      allowed_ips: { ips: allowedIps.ips, protected_branches_only: allowedIps.protectedBranchesOnly },
    },
    pg_version: row.pgVersion,
    proxy_host: proxy.domain,
    branch_logical_size_limit: 0,
    branch_logical_size_limit_bytes: 0,
    store_passwords: row.storePasswords,
    active_time: 0,
    cpu_used_sec: 0,
    creation_source: CREATION_SOURCE,
    history_retention_seconds: row.historyRetentionSeconds,
    created_at: timeOf(row.createdAt),
    updated_at: timeOf(row.updatedAt),
    owner_id: ACCOUNT_ID,
  };
}

export function project(row: ProjectRow, place: Place, now: Date): projectApi.Project {
  const { active_time: _activeTime, ...item } = projectItem(row, place);
  const month = (offset: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1));
  return {
    ...item,
    ...NO_CONSUMPTION,
    data_storage_bytes_hour: 0,
    consumption_period_start: timeOf(month(0)),
    consumption_period_end: timeOf(month(1)),
  };
}

export function branch(row: BranchRow): branchApi.Branch {
  return {
    id: row.id,
    project_id: row.projectId,
    ...(row.parentId === null ? {} : { parent_id: row.parentId }),
    ...(row.parentLsn === null ? {} : { parent_lsn: row.parentLsn }),
    ...(row.parentTimestamp === null ? {} : { parent_timestamp: timeOf(row.parentTimestamp) }),
    name: row.name,
    current_state: row.state,
    ...(row.state === 'init' ? { pending_state: 'ready' } : {}),
    state_changed_at: timeOf(row.stateChangedAt),
    creation_source: CREATION_SOURCE,
    primary: row.isDefault,
    default: row.isDefault,
    protected: false,
    ...NO_CONSUMPTION,
    created_at: timeOf(row.createdAt),
    updated_at: timeOf(row.updatedAt),
    init_source: 'parent-data',
  };
}

export function annotation(row: BranchRow): branchApi.Annotation {
  return {
    object: { type: 'console/branch', id: row.id },
    value: z.record(z.string(), z.string()).parse(row.annotation),
    created_at: timeOf(row.createdAt),
    updated_at: timeOf(row.updatedAt),
  };
}

const State = z.enum(['init', 'active', 'idle']);
const Kind = z.enum(['read_write', 'read_only']);

export function endpoint(row: EndpointRow, { proxy, regionId }: Place): endpointApi.Endpoint {
  const settings = EndpointSettings.parse(row.settings);
  const lastActive = latest(row.startedAt, row.suspendedAt);
  return {
    host: endpointHost(row.id, proxy),
    id: row.id,
    ...(row.name === null ? {} : { name: row.name }),
    project_id: row.projectId,
    branch_id: row.branchId,
    autoscaling_limit_min_cu: settings.autoscalingLimitMinCu,
    autoscaling_limit_max_cu: settings.autoscalingLimitMaxCu,
    region_id: regionId,
    type: Kind.parse(row.kind),
    current_state: State.parse(row.state),
    ...(row.pendingState === null ? {} : { pending_state: State.parse(row.pendingState) }),
    settings: { pg_settings: settings.pgSettings },
    pooler_enabled: false,
    pooler_mode: 'transaction',
    disabled: row.disabled,
    passwordless_access: false,
    ...(lastActive === null ? {} : { last_active: timeOf(lastActive) }),
    creation_source: CREATION_SOURCE,
    created_at: timeOf(row.createdAt),
    updated_at: timeOf(row.updatedAt),
    ...(row.startedAt === null ? {} : { started_at: timeOf(row.startedAt) }),
    ...(row.suspendedAt === null ? {} : { suspended_at: timeOf(row.suspendedAt) }),
    proxy_host: proxy.domain,
    suspend_timeout_seconds: settings.suspendTimeoutSeconds,
    provisioner: PROVISIONER,
  };
}

const latest = (a: Date | null, b: Date | null): Date | null => (a !== null && b !== null ? (a > b ? a : b) : (a ?? b));

export function role(row: RoleRow, password: string | null = null): roleApi.Role {
  return {
    branch_id: row.branchId,
    name: row.name,
    ...(password === null ? {} : { password }),
    protected: false,
    authentication_method: row.login ? 'password' : 'no_login',
    created_at: timeOf(row.createdAt),
    updated_at: timeOf(row.updatedAt),
  };
}

export const database = (row: DatabaseRow): databaseApi.Database => ({
  id: Number(row.id),
  branch_id: row.branchId,
  name: row.name,
  owner_name: row.ownerName,
  created_at: timeOf(row.createdAt),
  updated_at: timeOf(row.updatedAt),
});

export const operation = (row: OperationRow): operationApi.Operation => ({
  id: row.id,
  project_id: row.projectId,
  branch_id: row.branchId,
  ...(row.endpointId === null ? {} : { endpoint_id: row.endpointId }),
  action: row.action,
  status: row.status,
  ...(row.error === null ? {} : { error: row.error }),
  failures_count: row.failuresCount,
  ...(row.retryAt === null ? {} : { retry_at: timeOf(row.retryAt) }),
  created_at: timeOf(row.createdAt),
  updated_at: timeOf(row.updatedAt),
  total_duration_ms: row.durationMs,
});

export const apiKey = (row: ApiKey) => ({
  id: row.id,
  name: row.name,
  created_at: timeOf(row.createdAt),
  last_used_at: row.lastUsedAt === null ? null : timeOf(row.lastUsedAt),
  last_used_from_addr: row.lastUsedFromAddr,
});

export function connection(
  { role, password, database, endpointId }: { role: string; password: string; database: string; endpointId: string },
  { proxy }: Place,
): connectionApi.ConnectionDetails {
  const host = endpointHost(endpointId, proxy);
  return {
    connection_uri: connectionUri({ role, password, database, host }),
    connection_parameters: { database, password, role, host, pooler_host: endpointHost(endpointId, proxy, true) },
  };
}
