/**
 * What an error of the SDK means.
 *
 *   E1  Only an answer of the server is a fact about an object. No answer is `transient`: it was not heard, or it was not sent.
 */
export type FailureKind =
  /** Status 404: there is no such object, or the server means something else by it, */
  | 'absent'
  /** bucket, */
  | 'bucketMissing'
  /** or upload in parts. */
  | 'uploadMissing'
  /** A condition of the request does not hold. */
  | 'conflict'
  /** The object does not have these bytes. */
  | 'range'
  /** The server does not know how. */
  | 'unsupported'
  /** Another attempt may succeed. */
  | 'transient'
  /** Another attempt of the same will not, before a person changes something. */
  | 'lasting';

export interface Failure {
  readonly kind: FailureKind;
  /** As the protocol has it: `NoSuchKey`. */
  readonly name: string;
  /** For people. */
  readonly text: string;
}

const BY_NAME: Readonly<Record<string, FailureKind>> = {
  NoSuchBucket: 'bucketMissing',
  NoSuchUpload: 'uploadMissing',
  PreconditionFailed: 'conflict',
  InvalidRange: 'range',
  NotImplemented: 'unsupported',
  // Two conditional writes met, and neither was done; the server asks for another attempt.
  ConditionalRequestConflict: 'transient',
  OperationAborted: 'transient',
  InternalError: 'transient',
  ServiceUnavailable: 'transient',
  SlowDown: 'transient',
  // Status 400: the body came too slowly; or it was not what its checksum or its length says.
  RequestTimeout: 'transient',
  BadDigest: 'transient',
  IncompleteBody: 'transient',
  XAmzContentSHA256Mismatch: 'transient',
  XAmzContentChecksumMismatch: 'transient',
  // The SDK has set its clock by the answer.
  RequestTimeTooSkewed: 'transient',
  CredentialsProviderError: 'lasting',
  TypeError: 'lasting',
};

const BY_STATUS: Readonly<Record<number, FailureKind>> = {
  404: 'absent',
  408: 'transient',
  409: 'transient',
  412: 'conflict',
  416: 'range',
  429: 'transient',
  501: 'unsupported',
};

/** Thrown for an answer that is of no use, or that did not come, where another attempt may get a better one. */
export class UselessAnswer extends Error {
  override readonly name = 'UselessAnswer';
}

export function failureOf(error: unknown): Failure {
  if (error instanceof UselessAnswer) return { kind: 'transient', name: error.name, text: error.message };
  const name = textField(error, 'name') ?? 'error';
  const code = textField(error, 'code') ?? textField(error, 'Code');
  const status = numberField(field(error, '$metadata'), 'httpStatusCode');
  const requestId = textField(field(error, '$metadata'), 'requestId');
  const message = textField(error, 'message') ?? String(error);
  // The SDK's word for an answer that says no more than its code.
  const said = message === 'UnknownError' ? name : `${name}: ${message}`;
  const details = [status === undefined ? code : `status ${status}`, requestId && `request ${requestId}`];
  const shown = details.filter((detail) => detail !== undefined).join(', ');
  return { kind: kindOf(name, status), name, text: shown === '' ? said : `${said} (${shown})` };
}

function kindOf(name: string, status: number | undefined): FailureKind {
  const known = BY_NAME[name] ?? (status === undefined ? undefined : BY_STATUS[status]);
  if (known !== undefined) return known;
  // Nothing was heard; or an answer was that could not be read to its end; or the server says that it failed.
  if (status === undefined || status < 300 || status >= 500) return 'transient';
  return 'lasting';
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function textField(value: unknown, name: string): string | undefined {
  const found = field(value, name);
  return typeof found === 'string' && found !== '' ? found : undefined;
}

function numberField(value: unknown, name: string): number | undefined {
  const found = field(value, name);
  return typeof found === 'number' ? found : undefined;
}
