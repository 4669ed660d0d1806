import { Unavailable } from '@neon/kernel';
import { ArchiveQueue, type ArchiveWork, PAUSE_MS_MAX, PAUSE_MS_MIN, type WorkDone } from './archive-queue';

const DONE: WorkDone = { more: false, putBytes: 0 };

/** Time that passes when it is told to. */
class Timers {
  nowMs = 0;
  private readonly waiting: { readonly atMs: number; readonly run: () => void }[] = [];
  readonly delays: number[] = [];
  readonly later = (delayMs: number, run: () => void): void => {
    this.delays.push(delayMs);
    this.waiting.push({ atMs: this.nowMs + delayMs, run });
  };
  readonly clock = { now: (): number => this.nowMs };

  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const due of this.waiting.filter(({ atMs }) => atMs <= this.nowMs)) {
      this.waiting.splice(this.waiting.indexOf(due), 1);
      due.run();
    }
    await turns();
  }
}

const turns = async (): Promise<void> => {
  for (let count = 0; count < 20; count++) await Promise.resolve();
};

describe('work with the archive', () => {
  let timers: Timers;
  let queue: ArchiveQueue;
  let errors: string[];

  beforeEach(() => {
    timers = new Timers();
    errors = [];
    const { clock, later } = timers;
    const failed = (error: Error): void => void errors.push(error.message);
    queue = new ArchiveQueue({ slots: 2, bytesPerSecondMax: 1000, clock, later, failed });
  });

  /** Work that goes on when it is let. */
  function held(log: string[], name: string, outcome: WorkDone = DONE) {
    let release: () => void = () => undefined;
    const work: ArchiveWork = {
      step: () => {
        log.push(name);
        return new Promise((resolve) => (release = () => resolve(outcome)));
      },
    };
    return { work, release: () => release() };
  }

  test('is done a few at a time, in the order in which it was asked for (AQ1)', async () => {
    const log: string[] = [];
    const all = ['a', 'b', 'c', 'd'].map((name) => held(log, name));
    for (const { work } of all) queue.ask(work);
    await turns();
    expect(log).toEqual(['a', 'b']);
    all[1]?.release();
    await turns();
    expect(log).toEqual(['a', 'b', 'c']);
  });

  test('of one timeline is done once at a time, and once more when asked for meanwhile, behind others (AQ2)', async () => {
    const log: string[] = [];
    const [a, b, c] = ['a', 'b', 'c'].map((name) => held(log, name));
    for (const each of [a, b, a, a, c]) if (each !== undefined) queue.ask(each.work);
    await turns();
    a?.release();
    await turns();
    expect(log).toEqual(['a', 'b', 'c']);
    c?.release();
    await turns();
    expect(log).toEqual(['a', 'b', 'c', 'a']);
  });

  test('waits while the archive is away, longer each time, and nothing is forgotten (AQ3)', async () => {
    let isAway = true;
    let count = 0;
    const work: ArchiveWork = {
      step: () => {
        count++;
        return isAway ? Promise.reject(new Unavailable('away')) : Promise.resolve(DONE);
      },
    };
    queue.ask(work);
    await turns();
    for (let round = 0; round < 12; round++) await timers.pass(PAUSE_MS_MAX);
    expect(timers.delays.slice(0, 4)).toEqual([1, 2, 4, 8].map((factor) => factor * PAUSE_MS_MIN));
    expect(Math.max(...timers.delays)).toBe(PAUSE_MS_MAX);
    expect(errors).toHaveLength(13);
    isAway = false;
    await timers.pass(PAUSE_MS_MAX);
    expect(count).toBe(14);
    await timers.pass(PAUSE_MS_MAX);
    expect(count).toBe(14);
  });

  test('that fails for a reason of its own lets others go on (AQ3)', async () => {
    const log: string[] = [];
    const damaged: ArchiveWork = { step: () => Promise.reject(new Error('damaged')) };
    queue.ask(damaged);
    queue.ask(held(log, 'a').work);
    await turns();
    // Asked for again before its pause is over, it still waits.
    queue.ask(damaged);
    await turns();
    expect([log, errors, timers.delays]).toEqual([['a'], ['damaged'], [PAUSE_MS_MAX]]);
    await timers.pass(PAUSE_MS_MAX);
    expect(errors).toEqual(['damaged', 'damaged']);
  });

  test('takes its slot for as long as its bytes take at the limit (AQ4)', async () => {
    const log: string[] = [];
    const a = held(log, 'a', { more: true, putBytes: 2000 });
    const b = held(log, 'b');
    for (const { work } of [a, b]) queue.ask(work);
    await turns();
    timers.nowMs = 500;
    a.release();
    await turns();
    expect(timers.delays).toEqual([1500]);
    expect(log).toEqual(['a', 'b']);
    await timers.pass(1500);
    expect(log).toEqual(['a', 'b', 'a']);
  });

  test('that was dropped is not done again, and dropping it waits for what is under way', async () => {
    const log: string[] = [];
    const a = held(log, 'a', { more: true, putBytes: 0 });
    queue.ask(a.work);
    await turns();
    let isDropped = false;
    const dropped = queue.drop(a.work).then(() => (isDropped = true));
    queue.ask(a.work);
    await turns();
    expect(isDropped).toBe(false);
    a.release();
    await dropped;
    await turns();
    expect(log).toEqual(['a']);
  });
});
