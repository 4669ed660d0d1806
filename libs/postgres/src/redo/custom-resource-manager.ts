/**
 * Custom resource managers: WAL that an extension writes and only its own code can redo (access/rmgr.h, RegisterCustomRmgr).
 *
 *   E1  A record of one is refused with the name of the extension that reserved its id, and with what to do.
 *
 * Reservations: the page CustomWALResourceManagers of the PostgreSQL wiki; 151 by ProvSQL's own documentation of it.
 */
const RESERVED: Readonly<Partial<Record<number, string>>> = {
  129: 'OrioleDB',
  130: 'Bluefin (EnterpriseDB)',
  131: 'Bluefin2 (EnterpriseDB)',
  132: 'Marlin (EnterpriseDB)',
  133: 'Marlin2 (EnterpriseDB)',
  134: 'neon',
  135: 'AQO (Postgres Professional)',
  136: 'sr_plan (Postgres Professional)',
  137: 'pg_analytics',
  138: 'PGroonga',
  139: 'Hsphere (EnterpriseDB)',
  140: 'pg_tde (Percona)',
  151: 'ProvSQL',
  241: 'columnar',
};
/** RM_EXPERIMENTAL_ID: whatever is being developed. */
const EXPERIMENTAL = 128;

/** Why a record of custom resource manager `rmid` is refused (E1). */
export function customResourceManagerReason(rmid: number): string {
  const owner = RESERVED[rmid] ?? (rmid === EXPERIMENTAL ? 'an extension in development' : 'an extension');
  return (
    `resource manager ${rmid}, of ${owner}: only the extension itself can redo its WAL. ` +
    'Branch from before this record, and do without the extension there'
  );
}
