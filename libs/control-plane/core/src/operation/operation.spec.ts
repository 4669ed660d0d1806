import { given } from '@neon/event-sourcing';
import { Refusal, Unavailable } from '@neon/kernel';
import { type OperationEvent, operationDecider } from './operation';
import { afterFailure } from './retry';

const subject = { projectId: 'p', branchId: 'br-1', endpointId: 'ep-1', action: 'start_compute' } as const;
const scheduled: OperationEvent = { type: 'OperationScheduled', operationId: 'o', chainId: 'c', ...subject };
const started: OperationEvent = { type: 'OperationStarted', at: 100 };
const error = { code: 'Unavailable', message: 'away' };

describe('an operation', () => {
  it('O1: is scheduled, started and finished, and knows how long it took', () => {
    given(operationDecider)
      .when({ type: 'ScheduleOperation', operationId: 'o', chainId: 'c', ...subject })
      .then(scheduled);
    given(operationDecider, scheduled).when({ type: 'StartOperation', at: 100 }).then(started);
    given(operationDecider, scheduled, started).when({ type: 'StartOperation', at: 200 }).then();
    given(operationDecider, scheduled, started)
      .when({ type: 'FinishOperation', at: 350 })
      .then({ type: 'OperationFinished', durationMs: 250 });
  });

  it('O2: a failed attempt leaves it running', () => {
    const failed: OperationEvent = { type: 'OperationAttemptFailed', error, retryAt: 200 };
    given(operationDecider, scheduled, started).when({ type: 'FailAttempt', error, retryAt: 200 }).then(failed);
    expect(given(operationDecider, scheduled, started, failed).state).toMatchObject({
      status: 'running',
      failuresCount: 1,
      retryAt: 200,
      error,
    });
  });

  it.each<OperationEvent>([
    { type: 'OperationFinished', durationMs: 1 },
    { type: 'OperationFailed', error, durationMs: 1 },
    { type: 'OperationSkipped' },
    { type: 'OperationCancelled' },
  ])('O3: $type is final', (end) => {
    const ended = given(operationDecider, scheduled, started, end);
    ended.when({ type: 'FinishOperation', at: 9 }).then();
    ended.when({ type: 'FailOperation', error, at: 9 }).then();
    ended.when({ type: 'CancelOperation' }).then();
  });
});

describe('after a failure', () => {
  it('R1: what may pass is tried again, later each time', () => {
    const away = new Unavailable('away');
    expect(afterFailure(away, 'create_branch', 0)).toEqual({ kind: 'retry', delayMs: 100, error });
    expect(afterFailure(away, 'create_branch', 3)).toMatchObject({ delayMs: 800 });
    expect(afterFailure(away, 'create_branch', 10)).toMatchObject({ delayMs: 5_000 });
    expect(afterFailure(new Refusal('QuorumUnavailable'), 'start_compute', 0)).toMatchObject({ kind: 'retry' });
  });

  it('R2: nobody waits for ever', () => {
    expect(afterFailure(new Unavailable('away'), 'start_compute', 6)).toMatchObject({ kind: 'fail' });
    expect(afterFailure(new Unavailable('away'), 'create_branch', 23)).toMatchObject({ kind: 'fail' });
    expect(afterFailure(new Unavailable('away'), 'delete_timeline', 1_000)).toMatchObject({ kind: 'retry' });
  });

  it('R3: what cannot pass is final at once', () => {
    expect(afterFailure(new Refusal('TimelineStopped', 'unknown record'), 'start_compute', 0)).toEqual({
      kind: 'fail',
      error: { code: 'TimelineStopped', message: 'unknown record' },
    });
    expect(afterFailure(new Error('bug'), 'start_compute', 0)).toMatchObject({ error: { code: 'Internal' } });
  });
});
