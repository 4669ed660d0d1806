/**
 * What a basebackup tarball holds (ustar, uncompressed, in this order):
 *
 *   neon/manifest.json   `BasebackupManifest`
 *   neon/relations       every relation fork at the LSN except FSM forks: records of 17 bytes, big-endian
 *                        (u32 tablespaceOid, u32 databaseOid, u32 relationNumber, u8 fork, u32 blockCount)
 *   small files under their names in a data directory: PG_VERSION and pg_filenode.map of each database and of global/,
 *   pg_xact/*, pg_multixact/{offsets,members}/*, pg_commit_ts/* when on, pg_twophase/*, and the whole content of every
 *   init fork (base/<db>/<rel>_init). `global/pg_control` is the one of the imported cluster: the compute patches it.
 *
 * Relation pages are not in it: the compute lays out sparse files and fetches pages on demand.
 */
import { z } from 'zod';
import { lsnText } from './json';

export const BasebackupManifest = z.object({
  version: z.literal(1),
  tenantId: z.string(),
  timelineId: z.string(),
  pgMajor: z.number().int(),
  systemId: z.string(),
  walSegmentSize: z.number().int(),
  lsn: lsnText,
  /** Start of the last record before `lsn`: the xl_prev of the next one. */
  prevRecordLsn: lsnText,
  /** The CheckPoint struct a clean shutdown at `lsn` would have had, as bytes in base64 (catalog/pg_control.h). */
  checkpoint: z.string(),
});
export type BasebackupManifest = z.infer<typeof BasebackupManifest>;

export const RELATION_ENTRY_SIZE = 17;
