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
  const LIVE = { canBeAskedAgain: true };

  it('R1: what may pass is tried again, later each time', () => {
    const away = new Unavailable('away');
    expect(afterFailure(away, { action: 'create_branch', failuresCount: 0 }, LIVE)).toEqual({
      kind: 'retry',
      delayMs: 100,
      error,
    });
    expect(afterFailure(away, { action: 'create_branch', failuresCount: 3 }, LIVE)).toMatchObject({ delayMs: 800 });
    expect(afterFailure(away, { action: 'create_branch', failuresCount: 10 }, LIVE)).toMatchObject({ delayMs: 5_000 });
    expect(
      afterFailure(new Refusal('QuorumUnavailable'), { action: 'start_compute', failuresCount: 0 }, LIVE),
    ).toMatchObject({ kind: 'retry' });
  });

  it('R2: nobody waits for ever', () => {
    expect(afterFailure(new Unavailable('away'), { action: 'start_compute', failuresCount: 6 }, LIVE)).toMatchObject({
      kind: 'fail',
    });
    expect(afterFailure(new Unavailable('away'), { action: 'create_branch', failuresCount: 23 }, LIVE)).toMatchObject({
      kind: 'fail',
    });
    expect(
      afterFailure(new Unavailable('away'), { action: 'delete_timeline', failuresCount: 1_000 }, LIVE),
    ).toMatchObject({ kind: 'retry' });
  });

  it('R3: what cannot pass is final at once', () => {
    expect(
      afterFailure(
        new Refusal('TimelineStopped', 'unknown record'),
        { action: 'start_compute', failuresCount: 0 },
        LIVE,
      ),
    ).toEqual({
      kind: 'fail',
      error: { code: 'TimelineStopped', message: 'unknown record' },
    });
    expect(afterFailure(new Error('bug'), { action: 'start_compute', failuresCount: 0 }, LIVE)).toMatchObject({
      error: { code: 'Internal' },
    });
  });

  it('R4: nothing of a project that is being deleted is given up', () => {
    const refused = new Refusal('TimelineHasChildren', 'has branches');
    const failed = { action: 'delete_timeline', failuresCount: 7 } as const;
    expect(afterFailure(refused, failed, LIVE)).toMatchObject({ kind: 'fail' });
    expect(afterFailure(refused, failed, { canBeAskedAgain: false })).toEqual({
      kind: 'insist',
      delayMs: 60_000,
      error: { code: 'TimelineHasChildren', message: 'has branches' },
    });
  });
});
