/** The mutation check, loaded when it is asked for: the TypeScript compiler that it needs takes a while to load. */
import type { MutationReport } from './mutation-report';
import type { VerifyMutationsOptions } from './verify-mutations';

export async function verifyMutations(options: VerifyMutationsOptions): Promise<MutationReport> {
  const check = await import('./verify-mutations.js');
  return check.verifyMutations(options);
}
