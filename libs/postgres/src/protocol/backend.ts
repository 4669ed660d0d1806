/**
 * What a server says until a session is ready for its first query.
 *
 *   B1  `decodeBackendMessage` understands the messages of a handshake; any other is `other`, never an error.
 *   B2  encode and decode are inverse for every message that is not `other`.
 */
import { ByteWriter } from '@neon/kernel';
import { type ErrorResponse, decodeErrorResponse, encodeErrorResponse, encodeNoticeResponse } from './error-response';
import { type WireMessage, encodeMessage } from './message-reader';
import { type CancelKey, encodeCancelKey } from './startup';
import { TextReader, writeText } from './text';
import { ProtocolViolation } from './violation';

export type TransactionStatus = 'idle' | 'inTransaction' | 'failed';

export type BackendMessage =
  | { readonly kind: 'authenticationOk' }
  | { readonly kind: 'authenticationCleartextPassword' }
  | { readonly kind: 'authenticationMd5Password'; readonly salt: Uint8Array }
  | { readonly kind: 'authenticationSasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'authenticationSaslContinue'; readonly data: Uint8Array }
  | { readonly kind: 'authenticationSaslFinal'; readonly data: Uint8Array }
  | { readonly kind: 'authenticationOther'; readonly code: number }
  | { readonly kind: 'parameterStatus'; readonly name: string; readonly value: string }
  | { readonly kind: 'backendKeyData'; readonly key: CancelKey }
  | { readonly kind: 'readyForQuery'; readonly status: TransactionStatus }
  | { readonly kind: 'errorResponse'; readonly error: ErrorResponse }
  | { readonly kind: 'noticeResponse'; readonly notice: ErrorResponse }
  | {
      readonly kind: 'negotiateProtocolVersion';
      /** Newest minor version of protocol 3 that the server speaks. */
      readonly minor: number;
      readonly unrecognizedOptions: readonly string[];
    }
  | { readonly kind: 'other'; readonly tag: number };

const AUTHENTICATION_OK = 0;
const AUTHENTICATION_CLEARTEXT = 3;
const AUTHENTICATION_MD5 = 5;
const AUTHENTICATION_SASL = 10;
const AUTHENTICATION_SASL_CONTINUE = 11;
const AUTHENTICATION_SASL_FINAL = 12;
const MECHANISM_COUNT_MAX = 16;

const STATUS_LETTERS: readonly (readonly [TransactionStatus, string])[] = [
  ['idle', 'I'],
  ['inTransaction', 'T'],
  ['failed', 'E'],
];

/** @throws ProtocolViolation when a message of a known type is malformed. */
export function decodeBackendMessage({ tag, payload }: WireMessage): BackendMessage {
  const reader = new TextReader(payload);
  switch (String.fromCharCode(tag)) {
    case 'R':
      return decodeAuthentication(reader);
    case 'S':
      return whole(reader, { kind: 'parameterStatus', name: reader.text(), value: reader.text() });
    case 'K':
      return whole(reader, { kind: 'backendKeyData', key: { processId: reader.i32(), secret: reader.i32() } });
    case 'Z':
      return whole(reader, { kind: 'readyForQuery', status: decodeStatus(reader.bytes(1)) });
    case 'E':
      return { kind: 'errorResponse', error: decodeErrorResponse(payload) };
    case 'N':
      return { kind: 'noticeResponse', notice: decodeErrorResponse(payload) };
    case 'v':
      return decodeNegotiation(reader);
    default:
      return { kind: 'other', tag };
  }
}

function whole<T>(reader: TextReader, message: T): T {
  reader.end();
  return message;
}

function decodeAuthentication(reader: TextReader): BackendMessage {
  const code = reader.i32();
  switch (code) {
    case AUTHENTICATION_OK:
      return whole(reader, { kind: 'authenticationOk' });
    case AUTHENTICATION_CLEARTEXT:
      return whole(reader, { kind: 'authenticationCleartextPassword' });
    case AUTHENTICATION_MD5:
      return whole(reader, { kind: 'authenticationMd5Password', salt: reader.bytes(4) });
    case AUTHENTICATION_SASL:
      return whole(reader, { kind: 'authenticationSasl', mechanisms: decodeMechanisms(reader) });
    case AUTHENTICATION_SASL_CONTINUE:
      return { kind: 'authenticationSaslContinue', data: reader.rest() };
    case AUTHENTICATION_SASL_FINAL:
      return { kind: 'authenticationSaslFinal', data: reader.rest() };
    default:
      return { kind: 'authenticationOther', code };
  }
}

function decodeMechanisms(reader: TextReader): string[] {
  const mechanisms: string[] = [];
  for (;;) {
    const name = reader.text();
    if (name === '') return mechanisms;
    if (mechanisms.push(name) > MECHANISM_COUNT_MAX) throw new ProtocolViolation('too many SASL mechanisms');
  }
}

function decodeStatus(bytes: Uint8Array): TransactionStatus {
  const found = STATUS_LETTERS.find(([, letter]) => letter.charCodeAt(0) === bytes[0]);
  if (found === undefined) throw new ProtocolViolation('unknown transaction status');
  return found[0];
}

function decodeNegotiation(reader: TextReader): BackendMessage {
  const minor = reader.i32() & 0xffff;
  const unrecognizedOptions: string[] = [];
  for (let count = reader.i32(); count > 0; count--) unrecognizedOptions.push(reader.text());
  return whole(reader, { kind: 'negotiateProtocolVersion', minor, unrecognizedOptions });
}

export function encodeBackendMessage(message: Exclude<BackendMessage, { kind: 'other' }>): Uint8Array {
  switch (message.kind) {
    case 'authenticationOk':
      return authentication(AUTHENTICATION_OK);
    case 'authenticationCleartextPassword':
      return authentication(AUTHENTICATION_CLEARTEXT);
    case 'authenticationMd5Password':
      return authentication(AUTHENTICATION_MD5, message.salt);
    case 'authenticationSasl':
      return authentication(AUTHENTICATION_SASL, mechanismList(message.mechanisms));
    case 'authenticationSaslContinue':
      return authentication(AUTHENTICATION_SASL_CONTINUE, message.data);
    case 'authenticationSaslFinal':
      return authentication(AUTHENTICATION_SASL_FINAL, message.data);
    case 'authenticationOther':
      return authentication(message.code);
    case 'parameterStatus':
      return encodeMessage('S', writeText(writeText(new ByteWriter(), message.name), message.value).finish());
    case 'backendKeyData':
      return encodeMessage('K', encodeCancelKey(message.key));
    case 'readyForQuery':
      return encodeMessage('Z', Uint8Array.of(letterOf(message.status)));
    case 'errorResponse':
      return encodeErrorResponse(message.error);
    case 'noticeResponse':
      return encodeNoticeResponse(message.notice);
    case 'negotiateProtocolVersion':
      return encodeMessage('v', negotiation(message));
  }
}

const authentication = (code: number, data: Uint8Array = new Uint8Array()): Uint8Array =>
  encodeMessage(
    'R',
    new ByteWriter(4 + data.length)
      .u32(code >>> 0)
      .bytes(data)
      .finish(),
  );

function mechanismList(mechanisms: readonly string[]): Uint8Array {
  const body = new ByteWriter();
  for (const name of mechanisms) writeText(body, name);
  return body.u8(0).finish();
}

function letterOf(status: TransactionStatus): number {
  const found = STATUS_LETTERS.find(([name]) => name === status);
  return (found?.[1] ?? 'I').charCodeAt(0);
}

function negotiation({
  minor,
  unrecognizedOptions,
}: {
  minor: number;
  unrecognizedOptions: readonly string[];
}): Uint8Array {
  const body = new ByteWriter().u32((3 << 16) | minor).u32(unrecognizedOptions.length);
  for (const option of unrecognizedOptions) writeText(body, option);
  return body.finish();
}
