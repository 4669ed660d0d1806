/**
 * An operation: one change that takes time, as people follow it.
 *
 *   O1  scheduling → running → finished | failed; or skipped, when there was nothing to do; or cancelled, when an earlier
 *       operation of its chain failed.
 *   O2  A failed attempt leaves it running, with one more failure and the time of the next attempt.
 *   O3  What has ended stays as it is: ending it again decides nothing.
 */
import { Refusal, unreachable } from '@neon/kernel';
import type { Decider } from '@neon/event-sourcing';
import { z } from 'zod';

export const OperationAction = z.enum([
  'create_timeline',
  'create_branch',
  'start_compute',
  'suspend_compute',
  'apply_config',
  'delete_timeline',
]);
export type OperationAction = z.infer<typeof OperationAction>;

export const OperationError = z.object({ code: z.string(), message: z.string() });
export type OperationError = z.infer<typeof OperationError>;

export const OperationSubject = z.object({
  projectId: z.string(),
  branchId: z.string(),
  endpointId: z.string().nullable(),
  action: OperationAction,
});
export type OperationSubject = z.infer<typeof OperationSubject>;

export const OperationEvent = z.discriminatedUnion('type', [
  OperationSubject.extend({ type: z.literal('OperationScheduled'), operationId: z.string(), chainId: z.string() }),
  z.object({ type: z.literal('OperationStarted'), at: z.number() }),
  z.object({ type: z.literal('OperationAttemptFailed'), error: OperationError, retryAt: z.number() }),
  z.object({ type: z.literal('OperationFinished'), durationMs: z.number() }),
  z.object({ type: z.literal('OperationFailed'), error: OperationError, durationMs: z.number() }),
  z.object({ type: z.literal('OperationSkipped') }),
  z.object({ type: z.literal('OperationCancelled') }),
]);
export type OperationEvent = z.infer<typeof OperationEvent>;

export type OperationStatus = 'scheduling' | 'running' | 'finished' | 'failed' | 'skipped' | 'cancelled';

export interface Operation extends OperationSubject {
  readonly operationId: string;
  readonly chainId: string;
  readonly status: OperationStatus;
  readonly startedAt: number | null;
  readonly failuresCount: number;
  readonly retryAt: number | null;
  readonly error: OperationError | null;
}

export type OperationCommand =
  | ({ readonly type: 'ScheduleOperation'; readonly operationId: string; readonly chainId: string } & OperationSubject)
  | { readonly type: 'StartOperation'; readonly at: number }
  | { readonly type: 'FailAttempt'; readonly error: OperationError; readonly retryAt: number }
  | { readonly type: 'FinishOperation'; readonly at: number }
  | { readonly type: 'FailOperation'; readonly error: OperationError; readonly at: number }
  | { readonly type: 'SkipOperation' }
  | { readonly type: 'CancelOperation' };

export const operationDecider: Decider<Operation | null, OperationCommand, OperationEvent> = {
  kind: 'operation',
  initial: null,
  event: OperationEvent,
  decide,
  evolve,
};

function decide(command: OperationCommand, operation: Operation | null): readonly OperationEvent[] {
  if (command.type === 'ScheduleOperation')
    return operation === null ? [{ ...command, type: 'OperationScheduled' }] : [];
  if (operation === null) throw new Refusal('OperationNotFound', 'operation not found');
  if (hasEnded(operation)) return [];
  switch (command.type) {
    case 'StartOperation':
      return operation.status === 'scheduling' ? [{ type: 'OperationStarted', at: command.at }] : [];
    case 'FailAttempt':
      return [{ type: 'OperationAttemptFailed', error: command.error, retryAt: command.retryAt }];
    case 'FinishOperation':
      return [{ type: 'OperationFinished', durationMs: duration(operation, command.at) }];
    case 'FailOperation':
      return [{ type: 'OperationFailed', error: command.error, durationMs: duration(operation, command.at) }];
    case 'SkipOperation':
      return [{ type: 'OperationSkipped' }];
    case 'CancelOperation':
      return [{ type: 'OperationCancelled' }];
    default:
      return unreachable(command);
  }
}

function evolve(operation: Operation | null, event: OperationEvent): Operation | null {
  if (event.type === 'OperationScheduled') {
    const { type: _type, ...subject } = event;
    return { ...subject, status: 'scheduling', startedAt: null, failuresCount: 0, retryAt: null, error: null };
  }
  if (operation === null) return null;
  switch (event.type) {
    case 'OperationStarted':
      return { ...operation, status: 'running', startedAt: event.at };
    case 'OperationAttemptFailed': {
      const failuresCount = operation.failuresCount + 1;
      return { ...operation, failuresCount, retryAt: event.retryAt, error: event.error };
    }
    case 'OperationFinished':
      return { ...operation, status: 'finished', retryAt: null, error: null };
    case 'OperationFailed':
      return {
        ...operation,
        status: 'failed',
        retryAt: null,
        error: event.error,
        failuresCount: operation.failuresCount + 1,
      };
    case 'OperationSkipped':
      return { ...operation, status: 'skipped' };
    case 'OperationCancelled':
      return { ...operation, status: 'cancelled' };
    default:
      return unreachable(event);
  }
}

export const hasEnded = ({ status }: Operation): boolean => status !== 'scheduling' && status !== 'running';

const duration = ({ startedAt }: Operation, at: number): number =>
  startedAt === null ? 0 : Math.max(0, at - startedAt);
