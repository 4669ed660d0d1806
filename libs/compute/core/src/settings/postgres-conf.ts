/**
 * The configuration files of a compute's Postgres.
 *
 *   C1  What durability and the agent rest on is written last and wins over the spec's settings.
 *   C2  Any value is written so that Postgres reads back exactly that text, and each setting once.
 *   C3  No rule trusts a connection: the agent is known by its operating system user, everybody else by a SCRAM verifier,
 *       and the platform's superuser cannot log in over TCP.
 *   C4  No setting names a file, a library or a command of the host: they would be read, overwritten or run as the user of every
 *       compute there. None lets Postgres pass the shim by.
 */
import { Refusal } from '@neon/kernel';
import { PLATFORM_SUPERUSER } from '../access/access-plan';

/** The walproposer's replication slot, and what the `application_name` of its connection begins with. */
export const WALPROPOSER = 'walproposer';

/** Sensible for a small compute; the spec overrides each. */
const DEFAULTS: Readonly<Record<string, string>> = {
  max_connections: '112',
  shared_buffers: '128MB',
  superuser_reserved_connections: '4',
  max_wal_senders: '10',
  max_replication_slots: '10',
  max_wal_size: '1GB',
  min_wal_size: '80MB',
  checkpoint_timeout: '5min',
  wal_compression: 'off',
  effective_io_concurrency: '16',
  maintenance_io_concurrency: '16',
  random_page_cost: '1.1',
  autovacuum: 'on',
  jit: 'off',
  idle_in_transaction_session_timeout: '5min',
  log_line_prefix: '%m [%p] ',
  log_timezone: 'UTC',
  timezone: 'UTC',
  datestyle: 'iso, mdy',
  default_text_search_config: 'pg_catalog.english',
  dynamic_shared_memory_type: 'posix',
};

/** A compute's disk is a cache: durability comes from the quorum behind the walproposer (C1). */
const FIXED: Readonly<Record<string, string>> = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'on',
  hot_standby: 'on',
  archive_mode: 'off',
  wal_init_zero: 'off',
  wal_recycle: 'on',
  max_slot_wal_keep_size: '-1',
  // A killed process may have torn a page in two, and without full-page writes nothing here mends that: a crash
  // discards the directory, and the next start is from storage.
  restart_after_crash: 'off',
  password_encryption: 'scram-sha-256',
  shared_preload_libraries: '',
  logging_collector: 'off',
  log_destination: 'stderr',
  ssl: 'off',
  data_sync_retry: 'off',
};

/** C4. */
const REFUSED =
  /^(include.*|config_file|data_directory|hba_file|ident_file|external_pid_file|.*_preload_libraries|.*_command|.*_library|dynamic_library_path|extension_control_path|jit_provider|ssl_.*|krb_.*|log_directory|log_filename|stats_temp_directory|promote_trigger_file|unix_socket_group|primary_conninfo|primary_slot_name|allow_system_table_mods|debug_.*|ignore_.*|zero_damaged_pages|event_source|bonjour.*)$/;

/** Only these may be chosen for a compute: with any other the log would not carry what replicas need. */
const WAL_LEVELS = ['replica', 'logical'];

export interface ServerAddress {
  readonly listenHost: string;
  readonly port: number;
  readonly socketDir: string;
  /** `application_name` of the one standby whose word makes a commit durable. */
  readonly standbyName: string;
}

/** C4: io_uring reads files by the kernel alone. */
const fixedIn = (pgMajor: number): Readonly<Record<string, string>> => (pgMajor >= 18 ? { io_method: 'worker' } : {});

/** @throws Refusal `SpecRejected` on a name that is no setting's, one that is refused (C4), or a `wal_level` that cannot work */
export function postgresConf(
  settings: Readonly<Record<string, string>>,
  address: ServerAddress,
  pgMajor: number,
): string {
  const wanted = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name.toLowerCase(), value]));
  const walLevel = wanted['wal_level'] ?? 'replica';
  if (!WAL_LEVELS.includes(walLevel)) throw new Refusal('SpecRejected', `wal_level cannot be ${walLevel}`);
  const refused = Object.keys(wanted).filter((name) => REFUSED.test(name));
  if (refused.length > 0) throw new Refusal('SpecRejected', `settings that cannot be chosen: ${refused.join(', ')}`);
  return lines({
    ...DEFAULTS,
    ...wanted,
    ...FIXED,
    ...fixedIn(pgMajor),
    synchronous_standby_names: address.standbyName,
    wal_level: walLevel,
    listen_addresses: address.listenHost,
    port: String(address.port),
    unix_socket_directories: address.socketDir,
    unix_socket_permissions: '0700',
  });
}

/** @param listenHost loopback: only this machine's processes are let in */
export const pgHba = (listenHost: string): string =>
  [
    `local all ${PLATFORM_SUPERUSER} peer map=agent`,
    `local replication ${PLATFORM_SUPERUSER} peer map=agent`,
    `host all ${PLATFORM_SUPERUSER} all reject`,
    `host all all ${listenHost === '127.0.0.1' ? '127.0.0.1/32' : 'all'} scram-sha-256`,
    '',
  ].join('\n');

/** @param agentUser operating system user of the agent, the only one who comes in as the platform's superuser */
export const pgIdent = (agentUser: string): string => `agent "${agentUser}" ${PLATFORM_SUPERUSER}\n`;

function lines(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => {
      if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/.test(name))
        throw new Refusal('SpecRejected', `not the name of a setting: ${JSON.stringify(name)}`);
      return `${name} = ${quote(value)}\n`;
    })
    .join('');
}

function quote(value: string): string {
  if (/[\0\r\n]/.test(value)) throw new Refusal('SpecRejected', 'a setting is one line of text');
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
