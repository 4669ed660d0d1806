/**
 * What a client says while it authenticates. All of it carries the tag `p`: only the server's last question tells
 * which message it is, so there is one decoder for each.
 */
import { ByteWriter } from '@neon/kernel';
import { type WireMessage, encodeMessage, tagOf } from './message-reader';
import { TextReader, writeText } from './text';
import { ProtocolViolation } from './violation';

export interface SaslInitialResponse {
  readonly mechanism: string;
  readonly data: Uint8Array;
}

function passwordPayload({ tag, payload }: WireMessage, what: string): Uint8Array {
  if (tag !== tagOf('p')) throw new ProtocolViolation(`expected ${what}, got message type ${tag}`);
  return payload;
}

export function decodePasswordMessage(message: WireMessage): string {
  const reader = new TextReader(passwordPayload(message, 'password response'));
  const password = reader.text();
  reader.end();
  return password;
}

export function decodeSaslInitialResponse(message: WireMessage): SaslInitialResponse {
  const reader = new TextReader(passwordPayload(message, 'SASL response'));
  const mechanism = reader.text();
  const size = reader.i32();
  const data = size === -1 ? new Uint8Array() : reader.bytes(size);
  reader.end();
  return { mechanism, data };
}

export const decodeSaslResponse = (message: WireMessage): Uint8Array => passwordPayload(message, 'SASL response');

export const encodePasswordMessage = (password: string): Uint8Array =>
  encodeMessage('p', writeText(new ByteWriter(), password).finish());

export const encodeSaslInitialResponse = ({ mechanism, data }: SaslInitialResponse): Uint8Array =>
  encodeMessage('p', writeText(new ByteWriter(), mechanism).u32(data.length).bytes(data).finish());

export const encodeSaslResponse = (data: Uint8Array): Uint8Array => encodeMessage('p', data);
