/** Resource managers: who wrote a record, and who redoes it (access/rmgrlist.h; the same ids in 14–18). */
export const Rmgr = {
  XLOG: 0,
  TRANSACTION: 1,
  STORAGE: 2,
  CLOG: 3,
  DATABASE: 4,
  TABLESPACE: 5,
  MULTIXACT: 6,
  RELMAP: 7,
  STANDBY: 8,
  HEAP2: 9,
  HEAP: 10,
  BTREE: 11,
  HASH: 12,
  GIN: 13,
  GIST: 14,
  SEQUENCE: 15,
  SPGIST: 16,
  BRIN: 17,
  COMMIT_TS: 18,
  REPLICATION_ORIGIN: 19,
  GENERIC: 20,
  LOGICAL_MESSAGE: 21,
} as const;

export const RMID_BUILT_IN_MAX = 21;
export const RMID_CUSTOM_MIN = 128;
/** The first major in which extensions may bring a resource manager. */
export const CUSTOM_RMGR_SINCE = 15;
