/** ErrorResponse and NoticeResponse: fields by one-letter code, as Postgres' protocol names them. */
import { ByteWriter } from '@neon/kernel';
import { encodeMessage } from './message-reader';
import { TextReader, decodeUtf8, writeText } from './text';

export interface ErrorResponse {
  readonly severity: string;
  /** SQLSTATE, five characters. */
  readonly sqlState: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

const encode = (letter: 'E' | 'N', error: ErrorResponse): Uint8Array => {
  const body = new ByteWriter();
  const field = (code: string, value: string | undefined) => {
    if (value !== undefined) writeText(body.u8(code.charCodeAt(0)), value.replaceAll('\0', ''));
  };
  field('S', error.severity);
  field('V', error.severity);
  field('C', error.sqlState);
  field('M', error.message);
  field('D', error.detail);
  field('H', error.hint);
  return encodeMessage(letter, body.u8(0).finish());
};

export const encodeErrorResponse = (error: ErrorResponse): Uint8Array => encode('E', error);
export const encodeNoticeResponse = (notice: ErrorResponse): Uint8Array => encode('N', notice);

/** Reads the fields of an error or a notice; a missing one is empty. @throws ProtocolViolation */
export function decodeErrorResponse(payload: Uint8Array): ErrorResponse {
  const reader = new TextReader(payload);
  const fields = new Map<string, string>();
  for (;;) {
    const code = decodeUtf8(reader.bytes(1));
    if (code === '\0') break;
    fields.set(code, reader.text());
  }
  const detail = fields.get('D');
  const hint = fields.get('H');
  return {
    severity: fields.get('V') ?? fields.get('S') ?? '',
    sqlState: fields.get('C') ?? '',
    message: fields.get('M') ?? '',
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  };
}
