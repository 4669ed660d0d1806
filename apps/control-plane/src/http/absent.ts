/** Deleting what is not there: 204 without a body. */
import { Refusal } from '@neon/kernel';
import type { ServerResponse } from 'node:http';

/** @returns what `work` answers, or undefined with status 204 when it is refused as `code` */
export async function orAbsent<T>(
  response: ServerResponse,
  code: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== code) throw error;
    response.statusCode = 204;
    return undefined;
  }
}
