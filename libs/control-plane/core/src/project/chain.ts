/**
 * A chain: the operations that one change takes, in order, and what it keeps others from touching.
 *
 *   C1  Chains of the whole project conflict with each other; any two chains conflict that touch the same endpoint.
 *   C2  A chain may run when no earlier open chain conflicts with it; of its operations, only the first that is still open.
 */
import { z } from 'zod';
import { OperationAction } from '../operation/operation';

export const ChainOperation = z.object({
  operationId: z.string(),
  action: OperationAction,
  branchId: z.string(),
  endpointId: z.string().nullable(),
});
export type ChainOperation = z.infer<typeof ChainOperation>;

export const Chain = z.object({
  chainId: z.string(),
  scope: z.enum(['project', 'endpoint']),
  endpointIds: z.array(z.string()),
  /** Those not yet closed. */
  operations: z.array(ChainOperation),
});
export type Chain = z.infer<typeof Chain>;

export function conflict(one: Chain, other: Chain): boolean {
  if (one.scope === 'project' && other.scope === 'project') return true;
  return one.endpointIds.some((endpointId) => other.endpointIds.includes(endpointId));
}

export const conflictsWithAny = (chain: Chain, open: readonly Chain[]): boolean =>
  open.some((each) => conflict(each, chain));

/** What may run now (C2). */
export function runnable(chains: readonly Chain[]): readonly ChainOperation[] {
  return chains
    .filter((chain, index) => !conflictsWithAny(chain, chains.slice(0, index)))
    .flatMap(({ operations }) => operations.slice(0, 1));
}

/** Takes the operation out; a chain without operations is gone. */
export function closeOperation(chains: readonly Chain[], operationId: string): readonly Chain[] {
  return chains
    .map((chain) => ({ ...chain, operations: chain.operations.filter((each) => each.operationId !== operationId) }))
    .filter(({ operations }) => operations.length > 0);
}
