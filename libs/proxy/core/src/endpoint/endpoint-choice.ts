/**
 * Which endpoint a client means. The protocol has no field for it, so it is looked for, in this order:
 *
 *   E1  the first label of the TLS server name, when the rest is one of our domains;
 *   E2  `endpoint=…` (or `project=…`) in the startup parameter `options`; it must agree with the server name;
 *   E3  a prefix of the password, `endpoint=<id>;…` or `endpoint=<id>$…`. SCRAM never shows the password, so it is asked
 *       for in clear, inside TLS.
 *
 * @example chooseEndpoint({ serverName: 'ep-a-b-12345678.localhost', options: [], domains: ['localhost'] })
 */
import { type ClientError, clientErrors } from '../client-error';

export type EndpointChoice =
  | { readonly kind: 'chosen'; readonly endpointId: string }
  | { readonly kind: 'inPassword' }
  | { readonly kind: 'refused'; readonly error: ClientError };

const POOLER_SUFFIX = '-pooler';
/** An endpoint id is a DNS label. */
const ENDPOINT_ID = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function chooseEndpoint({
  serverName,
  options,
  domains,
}: {
  serverName: string | null;
  /** Endpoints that the startup parameter names. */
  options: readonly string[];
  domains: readonly string[];
}): EndpointChoice {
  const fromSni = labelOf(serverName, domains);
  const [fromOption, ...others] = options;
  if (others.some((other) => other !== fromOption)) return refuse(clientErrors.severalEndpoints);
  if (fromSni !== null && fromOption !== undefined && plainName(fromSni) !== plainName(fromOption))
    return refuse(clientErrors.endpointMismatch({ fromSni, fromOption }));
  const name = fromSni ?? fromOption;
  return name === undefined ? { kind: 'inPassword' } : checked(name);
}

/** Takes the endpoint off a password of form E3; without one the choice is a refusal. */
export function splitPassword(password: string): { choice: EndpointChoice; password: string } {
  const [, name, rest] = /^(?:endpoint|project)=([^;$]*)[;$](.*)$/s.exec(password) ?? [];
  if (name === undefined || rest === undefined)
    return { choice: refuse(clientErrors.endpointNotSpecified), password: '' };
  return { choice: checked(name), password: rest };
}

function labelOf(serverName: string | null, domains: readonly string[]): string | null {
  const [, label, domain] = /^([^.]+)\.(.+?)\.?$/.exec(serverName?.toLowerCase() ?? '') ?? [];
  return label !== undefined && domain !== undefined && domains.includes(domain) ? label : null;
}

function checked(name: string): EndpointChoice {
  const lowered = name.toLowerCase();
  if (!ENDPOINT_ID.test(lowered)) return refuse(clientErrors.malformedEndpoint(name));
  if (lowered.endsWith(POOLER_SUFFIX)) return refuse(clientErrors.poolerNotSupported(plainName(lowered)));
  return { kind: 'chosen', endpointId: lowered };
}

function plainName(name: string): string {
  const lowered = name.toLowerCase();
  return lowered.endsWith(POOLER_SUFFIX) ? lowered.slice(0, -POOLER_SUFFIX.length) : lowered;
}

const refuse = (error: ClientError): EndpointChoice => ({ kind: 'refused', error });
