/**
 * The four texts of a SCRAM exchange.
 *
 *   client-first   `<gs2 header>n=<user>,r=<client nonce>`
 *   server-first   `r=<client nonce><server nonce>,s=<salt>,i=<iterations>`
 *   client-final   `c=<base64 of gs2 header and binding>,r=<nonce>,p=<proof>`
 *   server-final   `v=<server signature>`
 *
 * The gs2 header says what the client thinks of channel binding: `n` it cannot, `y` it can but believes the server
 * cannot, `p=<type>` it binds. Postgres ignores the user name in client-first; the startup packet has named it.
 */
import { ProtocolViolation } from '../violation';
import { fromBase64 } from './scram';

export type ChannelBindingFlag =
  | { readonly kind: 'unsupported' }
  | { readonly kind: 'notOffered' }
  | { readonly kind: 'bound'; readonly type: string };

export interface ClientFirst {
  readonly binding: ChannelBindingFlag;
  readonly gs2Header: string;
  /** The message without the gs2 header: a part of what both sides sign. */
  readonly bare: string;
  readonly nonce: string;
}

export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

export interface ClientFinal {
  readonly channelBinding: Uint8Array;
  readonly nonce: string;
  readonly proof: Uint8Array;
  readonly withoutProof: string;
}

const malformed = (detail: string) => new ProtocolViolation(`malformed SCRAM message (${detail})`);

/** Printable ASCII without a comma, as the grammar has it. */
const NONCE = /^[\x21-\x2b\x2d-\x7e]+$/;

export function parseClientFirst(text: string): ClientFirst {
  const match = /^((?:n|y|p=([A-Za-z0-9.-]+)),([^,]*),)(.*)$/s.exec(text);
  if (match === null) throw malformed('unexpected channel-binding flag');
  const [, gs2Header = '', type, authorization, bare = ''] = match;
  if (authorization !== '')
    throw new ProtocolViolation('client uses authorization identity, but it is not supported', '0A000');
  if (bare.startsWith('m=')) throw new ProtocolViolation('client requires an unsupported SCRAM extension', '0A000');
  const [user, nonceAttribute] = bare.split(',');
  if (user === undefined || !user.startsWith('n=')) throw malformed('user name is missing');
  return { binding: flagOf(gs2Header, type), gs2Header, bare, nonce: nonceOf(nonceAttribute) };
}

function flagOf(gs2Header: string, type: string | undefined): ChannelBindingFlag {
  if (type !== undefined) return { kind: 'bound', type };
  return gs2Header.startsWith('y') ? { kind: 'notOffered' } : { kind: 'unsupported' };
}

export function parseServerFirst(text: string): ServerFirst {
  const [nonceAttribute, saltAttribute, iterationsAttribute] = text.split(',');
  const salt = base64Of(saltAttribute, 's=', 'salt');
  const iterations = /^i=(\d{1,9})$/.exec(iterationsAttribute ?? '')?.[1];
  if (iterations === undefined || Number(iterations) < 1) throw malformed('iteration count');
  return { nonce: nonceOf(nonceAttribute), salt, iterations: Number(iterations) };
}

export function parseClientFinal(text: string): ClientFinal {
  const proofAt = text.lastIndexOf(',p=');
  if (proofAt < 0) throw malformed('proof is missing');
  const withoutProof = text.slice(0, proofAt);
  const [bindingAttribute, nonceAttribute] = withoutProof.split(',');
  return {
    channelBinding: base64Of(bindingAttribute, 'c=', 'channel binding'),
    nonce: nonceOf(nonceAttribute),
    proof: base64Of(text.slice(proofAt + 1), 'p=', 'proof'),
    withoutProof,
  };
}

/** The server's signature. @throws ProtocolViolation, with the server's reason when it sent one. */
export function parseServerFinal(text: string): Uint8Array {
  if (text.startsWith('e=')) throw new ProtocolViolation(`SCRAM authentication failed: ${text.slice(2)}`, '28000');
  return base64Of(text.split(',')[0], 'v=', 'server signature');
}

function nonceOf(attribute: string | undefined): string {
  const nonce = attribute?.startsWith('r=') === true ? attribute.slice(2) : '';
  if (!NONCE.test(nonce)) throw malformed('nonce');
  return nonce;
}

function base64Of(attribute: string | undefined, prefix: string, what: string): Uint8Array {
  const bytes = attribute?.startsWith(prefix) === true ? fromBase64(attribute.slice(prefix.length)) : null;
  if (bytes === null || bytes.length === 0) throw malformed(what);
  return bytes;
}
