import type { ComputeSpec } from '@neon/compute-contract';
import { Lsn, Term } from '@neon/kernel';
import fc from 'fast-check';
import { type Compute, type ComputeEffect, type ComputeInput, Lifecycle } from './lifecycle';

const spec = (over: Partial<ComputeSpec> = {}): ComputeSpec => ({
  version: 1,
  computeId: 'ep-quiet-river-12345678',
  tenantId: '0'.repeat(32),
  timelineId: '1'.repeat(32),
  pgMajor: 17,
  systemId: '7',
  walSegmentSize: 16 * 1024 * 1024,
  pageserver: { host: 'h', pagePort: 1 },
  membershipGeneration: 1,
  safekeepers: [],
  token: 't',
  roles: [],
  databases: [],
  dropped: { roles: [], databases: [] },
  settings: {},
  ...over,
});
const other = spec({ databases: [{ name: 'b', owner: 'o' }] });
const running = { address: { host: '127.0.0.1', port: 5 }, startLsn: Lsn.of(8), term: Term.of(1) };
const failure = { code: 'QuorumUnavailable', message: 'm', details: {} };

/** Runs inputs from absent; returns what each effect says, briefly. */
function run(...inputs: ComputeInput[]): { state: Compute; said: string[] } {
  let state: Compute = Lifecycle.initial;
  const said: string[] = [];
  for (const input of inputs) {
    const next = Lifecycle.step(state, input);
    state = next.state;
    said.push(...next.effects.map(brief));
  }
  return { state, said };
}

function brief(effect: ComputeEffect): string {
  switch (effect.kind) {
    case 'begin':
    case 'apply':
      return `${effect.kind} ${effect.spec.databases.length}`;
    case 'halt':
      return `halt ${effect.mode}`;
    case 'announceEnd':
      return `end ${effect.reason}`;
    case 'refuse':
      return `refuse ${effect.request} ${effect.failure.code}`;
    default:
      return `${effect.kind} ${effect.request}`;
  }
}

const start = (request: number, wanted = spec()): ComputeInput => ({ kind: 'start', request, spec: wanted });
const stop = (request: number, mode: 'fast' | 'immediate' = 'fast'): ComputeInput => ({
  kind: 'stop',
  request,
  mode,
  reason: 'requested',
});
const started: ComputeInput = { kind: 'started', running };
const halted: ComputeInput = { kind: 'halted', finalLsn: Lsn.of(16) };

describe('the life of a compute', () => {
  it('begins at the first start, and answers all that waited', () => {
    expect(run(start(1), start(2), started).said).toEqual(['begin 0', 'answerStart 1', 'answerStart 2']);
  });

  it('answers a start with the spec it runs at once', () => {
    expect(run(start(1), started, start(2, spec({ token: 'renewed' }))).said).toContain('answerStart 2');
  });

  it('applies another spec before it answers (L3)', () => {
    const { said } = run(start(1), started, start(2, other), { kind: 'applied' });
    expect(said).toEqual(['begin 0', 'answerStart 1', 'apply 1', 'answerStart 2']);
  });

  it('applies only the newest of the specs that wait (L2, L3)', () => {
    const third = spec({
      databases: [
        { name: 'b', owner: 'o' },
        { name: 'c', owner: 'o' },
      ],
    });
    const { said } = run(
      start(1),
      { kind: 'apply', request: 2, spec: other },
      { kind: 'apply', request: 3, spec: third },
      started,
      { kind: 'applied' },
    );
    expect(said).toEqual(['begin 0', 'answerStart 1', 'apply 2', 'answerApply 2', 'answerApply 3']);
  });

  it('refuses those whose spec failed, and runs on', () => {
    const { said, state } = run(start(1), started, start(2, other), { kind: 'applyFailed', failure }, start(3));
    expect(said).toEqual(['begin 0', 'answerStart 1', 'apply 1', 'refuse 2 QuorumUnavailable', 'apply 0']);
    expect(state.status).toBe('running');
  });

  it('tries again what failed when it is asked for again, and says nothing before that is done', () => {
    const failed: ComputeInput = { kind: 'applyFailed', failure };
    const { said } = run(start(1), started, start(2, other), failed, start(3, other), { kind: 'applied' });
    expect(said.slice(-3)).toEqual(['refuse 2 QuorumUnavailable', 'apply 1', 'answerStart 3']);
  });

  it('answers starts, and refuses applies, when all but drops is done', () => {
    const { said } = run(
      start(1),
      started,
      start(2, other),
      { kind: 'apply', request: 3, spec: other },
      { kind: 'applied', refusal: failure },
    );
    expect(said.slice(-2)).toEqual(['answerStart 2', 'refuse 3 QuorumUnavailable']);
  });

  it('refuses all that waited when the start failed, and may begin again', () => {
    const { said } = run(start(1), start(2), { kind: 'startFailed', failure }, start(3));
    expect(said).toEqual(['begin 0', 'refuse 1 QuorumUnavailable', 'refuse 2 QuorumUnavailable', 'begin 0']);
  });

  it('gives up a start when it is stopped (L4)', () => {
    expect(run(start(1), stop(2), halted).said).toEqual([
      'begin 0',
      'refuse 1 ComputeStopping',
      'halt fast',
      'answerStop 2',
      'end requested',
    ]);
  });

  it('begins afresh for a start that came while it was stopping (L3)', () => {
    const { said, state } = run(start(1), started, stop(2), start(3, other), halted);
    expect(said.slice(2)).toEqual(['halt fast', 'answerStop 2', 'end requested', 'begin 1']);
    expect(state.status).toBe('starting');
  });

  it('becomes more urgent, never less', () => {
    const { said } = run(start(1), started, stop(2), stop(3, 'immediate'), stop(4), halted);
    expect(said.slice(2)).toEqual([
      'halt fast',
      'halt immediate',
      'answerStop 2',
      'answerStop 3',
      'answerStop 4',
      'end requested',
    ]);
  });

  it('answers a stop of what is not there with nothing', () => {
    expect(run(stop(1)).said).toEqual(['answerStop 1']);
  });

  it('announces a crash once, and starts again when asked (L5)', () => {
    const lost: ComputeInput = { kind: 'lost', reason: 'crashed', message: 'm' };
    expect(run(start(1), started, lost, lost, start(2)).said).toEqual([
      'begin 0',
      'answerStart 1',
      'end crashed',
      'begin 0',
    ]);
  });

  it('ignores a crash while it is being stopped: the halt reports the end (L5)', () => {
    const { said } = run(start(1), started, stop(2), { kind: 'lost', reason: 'crashed', message: 'm' }, halted);
    expect(said.slice(2)).toEqual(['halt fast', 'answerStop 2', 'end requested']);
  });

  it('answers every request exactly once, whatever happens in whatever order (L1, L2)', () => {
    const kinds = ['start', 'startOther', 'apply', 'stop', 'kill', 'finish', 'fail', 'lost'] as const;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...kinds), { maxLength: 40 }), (happenings) => {
        expect(answers(happenings)).toEqual(expected(happenings));
      }),
    );
  });
});

type Happening = 'start' | 'startOther' | 'apply' | 'stop' | 'kill' | 'finish' | 'fail' | 'lost';
const ASKS: readonly Happening[] = ['start', 'startOther', 'apply', 'stop', 'kill'];
const expected = (happenings: Happening[]): number[] =>
  happenings.flatMap((happening, index) => (ASKS.includes(happening) ? [index] : []));

/** Plays a shell that ends what was begun, when told to; at last everything ends. Returns the requests answered. */
function answers(happenings: Happening[]): number[] {
  let state: Compute = Lifecycle.initial;
  let underWay: 'begin' | 'apply' | 'halt' | null = null;
  const answered: number[] = [];
  const take = (input: ComputeInput): void => {
    const next = Lifecycle.step(state, input);
    state = next.state;
    for (const effect of next.effects) {
      if (effect.kind === 'halt') underWay = 'halt';
      else if (effect.kind === 'begin' || effect.kind === 'apply') {
        expect(underWay).toBeNull();
        underWay = effect.kind;
      } else if (effect.kind !== 'announceEnd') answered.push(effect.request);
    }
  };
  const finish = (fails: boolean): void => {
    const what = underWay;
    underWay = null;
    if (what === 'begin') take(fails ? { kind: 'startFailed', failure } : started);
    if (what === 'apply') take(fails ? { kind: 'applyFailed', failure } : { kind: 'applied' });
    if (what === 'halt') take(halted);
  };
  happenings.forEach((happening, request) => {
    if (happening === 'start' || happening === 'startOther')
      take(start(request, happening === 'start' ? spec() : other));
    else if (happening === 'apply') take({ kind: 'apply', request, spec: other });
    else if (happening === 'stop') take(stop(request));
    else if (happening === 'kill') take(stop(request, 'immediate'));
    else if (happening === 'lost') {
      if (state.status === 'running') {
        underWay = null;
        take({ kind: 'lost', reason: 'fenced', message: 'm' });
      }
    } else finish(happening === 'fail');
  });
  while (underWay !== null) finish(false);
  return answered.sort((a, b) => a - b);
}
