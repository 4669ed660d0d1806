/** JSON over HTTP to the management API of one pageserver or safekeeper. */
import { Refusal, type Schema, Unavailable, fetchFailureReason } from '@neon/kernel';
import { context, propagation } from '@opentelemetry/api';
import { z } from 'zod';

const ErrorBody = z.object({ code: z.string(), message: z.string() });

export interface ManagementRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

/** A local call that takes longer than this is stuck; making a timeline may run a cluster's first import. */
const TIMEOUT_MS = 30_000;

export class ManagementClient {
  /** @param token mints a service token of scope `management` */
  constructor(private readonly token: () => Promise<string>) {}

  /** @throws Refusal with the code of a 4xx answer; Unavailable otherwise */
  async call<T>(
    node: { readonly host: string; readonly httpPort: number },
    request: ManagementRequest,
    schema: Schema<T>,
  ): Promise<T> {
    const answer = await this.send(node, request);
    try {
      return schema.parse(answer);
    } catch (cause) {
      throw new Unavailable(`${request.method} ${request.path}: the answer does not fit the contract`, { cause });
    }
  }

  /** Without an answer to read. */
  async send(node: { readonly host: string; readonly httpPort: number }, request: ManagementRequest): Promise<unknown> {
    const { method, path, body, timeoutMs = TIMEOUT_MS } = request;
    const headers: Record<string, string> = { authorization: `Bearer ${await this.token()}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    propagation.inject(context.active(), headers);
    const url = `http://${node.host}:${node.httpPort}${path}`;
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method,
        headers,
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (cause) {
      throw new Unavailable(`${method} ${url}: ${fetchFailureReason(cause)}`, { cause });
    }
    if (response.ok) return text === '' ? null : JSON.parse(text);
    throw failureOf(`${method} ${path}`, response.status, text);
  }
}

/** Null when a node answers that what it is asked about is not there, or no more. */
export async function ignoringMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Refusal && (error.details['status'] === 404 || error.details['status'] === 410)) return null;
    throw error;
  }
}

function failureOf(what: string, status: number, text: string): Error {
  const { data } = ErrorBody.safeParse(parsed(text));
  const message = `${what}: ${status} ${data?.message ?? text.slice(0, 200)}`;
  if (status >= 500 || status === 429 || status === 408) return new Unavailable(message);
  return new Refusal(data?.code ?? 'StorageRefused', data?.message ?? message, { status });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
