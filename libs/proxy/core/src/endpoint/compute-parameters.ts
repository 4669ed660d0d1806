/**
 * The startup parameters that a compute gets: all of the client's, but
 *
 *   P1  `options` without the words meant for the proxy, and not at all when nothing is left of it;
 *   P2  no connection-string keys of client libraries, which some drivers pass on (`channel_binding` above all: it is in
 *       every connection string we hand out, and stock Postgres refuses to start a session with it);
 *   P3  no protocol extensions (`_pq_.…`): the proxy has answered those itself.
 *
 * Anything else is the client's business and may be any setting of Postgres: a name it does not know is its error to give.
 */
import type { StartupParameter } from '@neon/postgres';

const CLIENT_KEYS = new Set([
  'channel_binding',
  'connect_timeout',
  'gssencmode',
  'pgbouncer',
  'require_auth',
  'ssl',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslnegotiation',
  'sslrootcert',
  'target_session_attrs',
  'uselibpqcompat',
]);
export const PROTOCOL_EXTENSION_PREFIX = '_pq_.';

export function computeParameters(
  parameters: readonly StartupParameter[],
  optionsForCompute: string,
): readonly StartupParameter[] {
  return parameters.flatMap(([name, value]): StartupParameter[] => {
    if (CLIENT_KEYS.has(name) || name.startsWith(PROTOCOL_EXTENSION_PREFIX)) return [];
    if (name !== 'options') return [[name, value]];
    return optionsForCompute === '' ? [] : [[name, optionsForCompute]];
  });
}
