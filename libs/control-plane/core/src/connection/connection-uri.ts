/**
 * Host names and connection strings.
 *
 *   U1  An endpoint's host is `<endpoint id>.<domain>`, with `-pooler` after the id for the pooled one, and `:port` at the end
 *       unless it is Postgres' own: clients put what we answer into a URI as it is.
 *   U2  Every part that people choose is percent-encoded.
 *
 * @example connectionUri({ role: 'ann', password: 'p', database: 'neondb', host }) // postgresql://ann:p@ep-…/neondb?sslmode=require&channel_binding=require
 */
export interface ProxyAddress {
  readonly domain: string;
  readonly port: number;
}

const POSTGRES_PORT = 5432;

export function endpointHost(endpointId: string, { domain, port }: ProxyAddress, pooled = false): string {
  const name = `${endpointId}${pooled ? '-pooler' : ''}.${domain}`;
  return port === POSTGRES_PORT ? name : `${name}:${port}`;
}

export function connectionUri(parts: {
  readonly role: string;
  readonly password: string | null;
  readonly database: string;
  readonly host: string;
}): string {
  const password = parts.password === null ? '' : `:${encode(parts.password)}`;
  const query = 'sslmode=require&channel_binding=require';
  return `postgresql://${encode(parts.role)}${password}@${parts.host}/${encode(parts.database)}?${query}`;
}

/** Percent-encoding of everything that is not unreserved in RFC 3986. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
