/**
 * Requests to one bucket: each repeated as its failure and our patience allow, and what failed for good in words of the port.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { Refusal, Unavailable } from '@neon/kernel';
import { countRetry } from '../observation';
import { type Attempt, RequestFailed, attempting } from './attempts';
import type { S3Config, S3Patience } from './s3-config';
import type { FailureKind } from './s3-failure';
import { type Sdk, loadSdk, makeClient } from './s3-client';
import { transferMs } from './s3-body';

export interface RequestOf {
  /** As metrics name it. */
  readonly operation: string;
  /** Bytes that are sent. */
  readonly size?: number;
  readonly signal: AbortSignal | undefined;
  /** Less than our usual patience. */
  readonly patience?: Partial<S3Patience>;
}

export class S3Requests {
  private constructor(
    readonly sdk: Sdk,
    readonly client: S3Client,
    readonly config: S3Config,
    readonly patience: S3Patience,
  ) {}

  static async open(config: S3Config, patience: S3Patience): Promise<S3Requests> {
    const sdk = await loadSdk();
    return new S3Requests(sdk, await makeClient(sdk, config, patience), config, patience);
  }

  /** The key as the bucket has it. */
  keyOf = (key: string): string => (this.config.prefix === '' ? key : `${this.config.prefix}/${key}`);

  /** Where it is, for people. */
  placeOf = (key: string): string => `s3://${this.config.bucket}/${this.keyOf(key)}`;

  /** @throws RequestFailed; the reason of the signal */
  send<T>(request: RequestOf, run: (attempt: Attempt) => Promise<T>): Promise<T> {
    const { operation, size = 0, signal } = request;
    const patience = { ...this.patience, ...request.patience };
    const onRetry = (): void => countRetry('s3', operation);
    return attempting({ patience, signal, timeoutMs: transferMs(size, patience.answerMs), onRetry }, run);
  }
}

/** Whether a request failed in this way. */
export const failedAs = (error: unknown, ...kinds: readonly FailureKind[]): error is RequestFailed =>
  error instanceof RequestFailed && kinds.includes(error.failure.kind);

/** A request's failure in words of the port; other errors, aborts among them, as they are. */
export function translated(error: unknown, place: string): unknown {
  if (!(error instanceof RequestFailed)) return error;
  const { failure, attemptCount, cause } = error;
  if (failure.kind === 'unsupported')
    return new Refusal('NotSupportedByObjectStore', `${place}: the server does not support it: ${failure.text}`);
  const attempts = attemptCount > 1 ? `, after ${attemptCount} attempts` : '';
  return new Unavailable(`${place}: ${failure.text}${attempts}`, { cause });
}
