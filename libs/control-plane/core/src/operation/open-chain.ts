/** Opens a chain of operations within a unit of work. */
import { type Unit, uuid } from '@neon/event-sourcing';
import type { Random } from '@neon/kernel';
import { type Chain, runnable } from '../project/chain';
import { liveProject, projectDecider } from '../project/project';
import { type OperationAction, operationDecider } from './operation';

export interface Step {
  readonly action: OperationAction;
  readonly branchId: string;
  readonly endpointId?: string;
}

export interface ChainRequest {
  /** `project`: no other change of the project at the same time. */
  readonly scope: Chain['scope'];
  readonly steps: readonly Step[];
  /** Wait for chains in the way instead of being refused. */
  readonly mayWait: boolean;
}

/**
 * Schedules the steps, and starts the first when nothing is in its way.
 *
 * @returns the ids of the operations, in order
 * @throws Refusal `ProjectBusy`
 */
export async function openChain(
  unit: Unit,
  projectId: string,
  { scope, steps, mayWait }: ChainRequest,
  random: Random,
): Promise<readonly string[]> {
  const chainId = uuid(random);
  const operations = steps.map(({ action, branchId, endpointId }) => ({
    operationId: uuid(random),
    action,
    branchId,
    endpointId: endpointId ?? null,
  }));
  const endpointIds = [...new Set(steps.flatMap(({ endpointId }) => endpointId ?? []))];
  const chain: Chain = { chainId, scope, endpointIds, operations };
  const project = await unit.decide(projectDecider, projectId, { type: 'OpenChain', chain, mayWait });
  for (const operation of operations)
    await unit.decide(operationDecider, operation.operationId, {
      type: 'ScheduleOperation',
      projectId,
      chainId,
      ...operation,
    });
  await startRunnable(unit, project === null ? [] : project.chains, chainId);
  return operations.map(({ operationId }) => operationId);
}

/** Marks as running what may run of `chains`, or of one of them. */
export async function startRunnable(unit: Unit, chains: readonly Chain[], chainId?: string): Promise<void> {
  for (const { operationId } of runnable(chains)) {
    const operation = await unit.state(operationDecider, operationId);
    if (chainId === undefined || operation?.chainId === chainId)
      await unit.decide(operationDecider, operationId, { type: 'StartOperation', at: unit.now });
  }
}

/** For changes that are recorded at once, but must not fall into a running one. @throws Refusal `ProjectBusy` */
export async function recordSkipped(
  unit: Unit,
  projectId: string,
  step: Step,
  random: Random,
): Promise<readonly string[]> {
  liveProject(await unit.state(projectDecider, projectId));
  const operationId = uuid(random);
  await unit.decide(operationDecider, operationId, {
    type: 'ScheduleOperation',
    operationId,
    chainId: uuid(random),
    projectId,
    action: step.action,
    branchId: step.branchId,
    endpointId: step.endpointId ?? null,
  });
  await unit.decide(operationDecider, operationId, { type: 'SkipOperation' });
  return [operationId];
}
