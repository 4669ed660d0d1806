/** The OS user Postgres runs as. */
import { userInfo } from 'node:os';

export interface PostgresUser {
  readonly uid: number;
  readonly gid: number;
}

/** `nobody` on every Linux. */
const NOBODY = 65534;

/**
 * Postgres refuses to run as root: then it gets `uid` (or nobody's); otherwise it runs as we do and this is null.
 *
 * @param uid an unprivileged user's number; its group has the same one
 */
export function postgresUser(uid: number = NOBODY): PostgresUser | null {
  return userInfo().uid === 0 ? { uid, gid: uid } : null;
}
