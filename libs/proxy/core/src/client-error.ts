/**
 * Every error the proxy itself tells a client, in one table. What a compute says passes through unchanged.
 *
 * Texts are Neon's where Neon has one. SQLSTATEs are those of the nearest case of stock Postgres, where Neon says XX000
 * to everything: drivers switch on them. `code` names the case in metrics and logs.
 */
export interface ClientError {
  readonly code: string;
  readonly sqlState: string;
  readonly message: string;
  readonly detail?: string;
}

const REJECTED = '08004';
const INVALID_AUTHORIZATION = '28000';
const NOT_SUPPORTED = '0A000';
const CANNOT_CONNECT_NOW = '57P03';

export const clientErrors = {
  insecure: {
    code: 'Insecure',
    sqlState: INVALID_AUTHORIZATION,
    message: 'connection is insecure (try using `sslmode=require`)',
  },
  bytesBeforeTls: {
    code: 'BytesBeforeTls',
    sqlState: '08P01',
    message: 'received unencrypted data after the request for TLS',
  },
  missingAlpn: {
    code: 'MissingAlpn',
    sqlState: '08P01',
    message: 'direct TLS connection without the ALPN protocol "postgresql"',
  },
  missingUser: {
    code: 'MissingUser',
    sqlState: INVALID_AUTHORIZATION,
    message: 'no PostgreSQL user name specified in startup packet',
  },
  endpointNotSpecified: {
    code: 'EndpointNotSpecified',
    sqlState: REJECTED,
    message:
      'Endpoint ID is not specified. Either please upgrade the postgres client library (libpq) for SNI support or pass ' +
      "the endpoint ID (first part of the domain name) as a parameter: '?options=endpoint%3D<endpoint-id>'. " +
      'See more at https://neon.tech/sni',
  },
  endpointMismatch: ({ fromSni, fromOption }: { fromSni: string; fromOption: string }): ClientError => ({
    code: 'EndpointMismatch',
    sqlState: REJECTED,
    message: `Inconsistent project name inferred from SNI ('${fromSni}') and project option ('${fromOption}').`,
  }),
  severalEndpoints: {
    code: 'EndpointMismatch',
    sqlState: REJECTED,
    message: 'The startup parameter "options" names more than one endpoint.',
  },
  malformedEndpoint: (name: string): ClientError => ({
    code: 'MalformedEndpoint',
    sqlState: REJECTED,
    message: `Project name ('${name}') must contain only alphanumeric characters and hyphen.`,
  }),
  poolerNotSupported: (endpointId: string): ClientError => ({
    code: 'PoolerNotSupported',
    sqlState: NOT_SUPPORTED,
    message: `Pooled connections are not supported yet. Connect to "${endpointId}" without "-pooler".`,
  }),
  optionNotSupported: (option: string): ClientError => ({
    code: 'OptionNotSupported',
    sqlState: NOT_SUPPORTED,
    message: `The connection option "${option}" is not supported yet.`,
  }),
  tooManyConnections: {
    code: 'TooManyConnections',
    sqlState: '53300',
    message: 'Too many connections to this proxy. Please try again later.',
  },
  lookupFailed: {
    code: 'LookupFailed',
    sqlState: CANNOT_CONNECT_NOW,
    message: 'Control plane request failed. Please try again.',
  },
  endpointNotFound: {
    code: 'EndpointNotFound',
    sqlState: REJECTED,
    message:
      "The requested endpoint could not be found, or you don't have access to it. " +
      'Please check the provided ID and try again.',
  },
  endpointDisabled: {
    code: 'EndpointDisabled',
    sqlState: REJECTED,
    message: 'The endpoint has been disabled. Enable it using Neon API and retry.',
  },
  addressNotAllowed: (address: string): ClientError => ({
    code: 'AddressNotAllowed',
    sqlState: INVALID_AUTHORIZATION,
    message:
      `This IP address ${address} is not allowed to connect to this endpoint. Please add it to the allowed list in the ` +
      'Neon console. Make sure to check for IPv4 or IPv6 addresses.',
  }),
  passwordFailed: (role: string): ClientError => ({
    code: 'PasswordFailed',
    sqlState: '28P01',
    message: `password authentication failed for user '${role}'`,
  }),
  authenticationTimedOut: {
    code: 'AuthenticationTimedOut',
    sqlState: '57014',
    message: 'Authentication timed out',
  },
  computeUnreachable: (reason: string): ClientError => ({
    code: 'ComputeUnreachable',
    sqlState: CANNOT_CONNECT_NOW,
    message: `Couldn't connect to compute node: ${reason}`,
  }),
  /** Instead of the answer to a commit whose wait for the quorum was cancelled. */
  commitInDoubt: {
    code: 'CommitInDoubt',
    sqlState: '08007',
    message: 'the commit was cancelled while it waited to become durable; it may or may not be kept',
    detail: 'Connect again and look whether the transaction is there.',
  },
  /** The start was refused for a reason that another attempt does not change. */
  startRefused: ({ code, reason }: { code: string; reason: string }): ClientError => ({
    code,
    sqlState: '58000',
    message: `Couldn't connect to compute node: ${reason}`,
  }),
} as const;
