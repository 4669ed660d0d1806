/**
 * The life of one compute on its host: what is asked of it and what happens to it, to what the host does and answers.
 *
 *   L1  Every request is answered exactly once, with what it asked for or with a refusal.
 *   L2  At most one of `begin`, `apply` and `halt` is under way: the next begins when the last reported its end. Only a
 *       halt may be asked for again, more urgently.
 *   L3  Starts that arrive while the compute is starting or running are answered when the newest spec is applied; a start
 *       that arrives while it is stopping begins a fresh one afterwards.
 *       What the server failed to be told counts as told to nobody: whoever asks for it again has it tried again.
 *   L4  A stop wins over starts that are waiting: they are refused with `ComputeStopping`.
 *   L5  Every end of a compute that had begun is announced once, with its reason.
 *
 * Requests are numbers that the shell hands out; it keeps the promises behind them.
 */
import { type ComputeAddress, type ComputeSpec } from '@neon/compute-contract';
import type { Lsn, Term } from '@neon/kernel';

export type RequestId = number;
export type StopMode = 'fast' | 'immediate';
export type EndReason = 'requested' | 'crashed' | 'fenced' | 'host-stopped';

export interface Running {
  readonly address: ComputeAddress;
  readonly startLsn: Lsn;
  readonly term: Term;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export type Compute =
  | { readonly status: 'absent' }
  | { readonly status: 'starting'; readonly spec: ComputeSpec; readonly waiting: readonly Waiting[] }
  | {
      readonly status: 'running';
      readonly running: Running;
      /** What the server was last told, or is being told while `applying`. */
      readonly spec: ComputeSpec;
      /** It could not be told, or not all of it was done. */
      readonly hasFailed: boolean;
      readonly applying: boolean;
      readonly waiting: readonly Waiting[];
    }
  | {
      readonly status: 'stopping';
      readonly mode: StopMode;
      readonly reason: EndReason;
      readonly stops: readonly RequestId[];
      /** Starts that came in the meantime, for a fresh compute. */
      readonly next: readonly Waiting[];
    };

/** A start or an apply, and the spec it came with. */
export interface Waiting {
  readonly request: RequestId;
  readonly kind: 'start' | 'apply';
  readonly spec: ComputeSpec;
}

export type ComputeInput =
  | { readonly kind: 'start'; readonly request: RequestId; readonly spec: ComputeSpec }
  | { readonly kind: 'apply'; readonly request: RequestId; readonly spec: ComputeSpec }
  | { readonly kind: 'stop'; readonly request: RequestId | null; readonly mode: StopMode; readonly reason: EndReason }
  /** `begin` succeeded, with its spec applied. */
  | { readonly kind: 'started'; readonly running: Running }
  /** `begin` failed and left nothing behind. */
  | { readonly kind: 'startFailed'; readonly failure: Failure }
  /** `refusal`: all is done but what Postgres refuses to drop, which whoever asked for an apply must know. */
  | { readonly kind: 'applied'; readonly refusal?: Failure | undefined }
  | { readonly kind: 'applyFailed'; readonly failure: Failure }
  /** The server ended without being told to, or must end because another compute leads. Nothing is left behind. */
  | { readonly kind: 'lost'; readonly reason: 'crashed' | 'fenced'; readonly message: string }
  /** `halt` is over, nothing is left behind. */
  | { readonly kind: 'halted'; readonly finalLsn: Lsn | null };

export type ComputeEffect =
  | { readonly kind: 'begin'; readonly spec: ComputeSpec }
  | { readonly kind: 'apply'; readonly spec: ComputeSpec }
  /** End it, whatever it is doing; also a start under way. Ends with `halted`, and no other input comes before it. */
  | { readonly kind: 'halt'; readonly mode: StopMode }
  | { readonly kind: 'answerStart'; readonly request: RequestId; readonly running: Running }
  | { readonly kind: 'answerApply'; readonly request: RequestId; readonly applied: boolean }
  | { readonly kind: 'answerStop'; readonly request: RequestId; readonly finalLsn: Lsn | null }
  | { readonly kind: 'refuse'; readonly request: RequestId; readonly failure: Failure }
  | { readonly kind: 'announceEnd'; readonly reason: EndReason; readonly message: string };

export interface ComputeStep {
  readonly state: Compute;
  readonly effects: readonly ComputeEffect[];
}

const ABSENT: Compute = { status: 'absent' };
const STOPPING: Failure = { code: 'ComputeStopping', message: 'the compute is being stopped', details: {} };

export const Lifecycle = { initial: ABSENT, step };

function step(state: Compute, input: ComputeInput): ComputeStep {
  switch (state.status) {
    case 'absent':
      return whenAbsent(state, input);
    case 'starting':
      return whenStarting(state, input);
    case 'running':
      return whenRunning(state, input);
    case 'stopping':
      return whenStopping(state, input);
  }
}

const unchanged = (state: Compute, ...effects: ComputeEffect[]): ComputeStep => ({ state, effects });

function whenAbsent(state: Compute, input: ComputeInput): ComputeStep {
  switch (input.kind) {
    case 'start':
      return begin([{ request: input.request, kind: 'start', spec: input.spec }]);
    case 'apply':
      return unchanged(state, { kind: 'answerApply', request: input.request, applied: false });
    case 'stop':
      return unchanged(state, ...answerStops(input.request === null ? [] : [input.request], null));
    default:
      return unchanged(state);
  }
}

function begin(waiting: readonly Waiting[]): ComputeStep {
  const newest = waiting[waiting.length - 1];
  if (newest === undefined) return { state: ABSENT, effects: [] };
  return {
    state: { status: 'starting', spec: newest.spec, waiting },
    effects: [{ kind: 'begin', spec: newest.spec }],
  };
}

function whenStarting(state: Compute & { status: 'starting' }, input: ComputeInput): ComputeStep {
  switch (input.kind) {
    case 'start':
    case 'apply':
      return unchanged({ ...state, waiting: [...state.waiting, input] });
    case 'stop':
      return halt(input, state.waiting);
    case 'started':
      return settle({
        status: 'running',
        running: input.running,
        spec: state.spec,
        hasFailed: false,
        applying: false,
        waiting: state.waiting,
      });
    case 'startFailed':
      return { state: ABSENT, effects: state.waiting.map(({ request }) => refuse(request, input.failure)) };
    default:
      return unchanged(state);
  }
}

function whenRunning(state: Compute & { status: 'running' }, input: ComputeInput): ComputeStep {
  switch (input.kind) {
    case 'start':
    case 'apply':
      return settle({ ...state, waiting: [...state.waiting, input] });
    case 'applied': {
      const { refusal } = input;
      if (refusal === undefined) return settle({ ...state, applying: false });
      return failed(state, ({ kind, request }) =>
        kind === 'start' ? answerStart(request, state.running) : refuse(request, refusal),
      );
    }
    case 'applyFailed':
      return failed(state, ({ request }) => refuse(request, input.failure));
    case 'stop':
      return halt(input, state.waiting);
    case 'lost':
      return {
        state: ABSENT,
        effects: [
          ...state.waiting.map(({ request }) =>
            refuse(request, { code: LOST_CODES[input.reason], message: input.message, details: {} }),
          ),
          { kind: 'announceEnd', reason: input.reason, message: input.message },
        ],
      };
    default:
      return unchanged(state);
  }
}

const LOST_CODES = { crashed: 'StartFailed', fenced: 'ComputeFenced' } as const;

/** Those whose spec the server was told are answered, and it is told again when somebody asks for it. */
function failed(state: Compute & { status: 'running' }, answer: (waiting: Waiting) => ComputeEffect): ComputeStep {
  const [told, rest] = partition(state.waiting, ({ spec }) => sameSpec(spec, state.spec));
  const next = settle({ ...state, hasFailed: true, applying: false, waiting: rest });
  return { ...next, effects: [...told.map(answer), ...next.effects] };
}

/** Answers those whose spec the server has, and has it told the newest of the others (L2, L3). */
function settle(state: Compute & { status: 'running' }): ComputeStep {
  if (state.applying) return unchanged(state);
  const [done, rest] = partition(state.waiting, ({ spec }) => !state.hasFailed && sameSpec(spec, state.spec));
  const answers = done.map((waiting): ComputeEffect =>
    waiting.kind === 'start'
      ? answerStart(waiting.request, state.running)
      : { kind: 'answerApply', request: waiting.request, applied: true },
  );
  const newest = rest[rest.length - 1];
  if (newest === undefined) return { state: { ...state, waiting: [] }, effects: answers };
  // The newest spec speaks for all that wait: an older one is never told after it.
  const waiting = rest.map((older) => ({ ...older, spec: newest.spec }));
  return {
    state: { ...state, spec: newest.spec, hasFailed: false, applying: true, waiting },
    effects: [...answers, { kind: 'apply', spec: newest.spec }],
  };
}

function whenStopping(state: Compute & { status: 'stopping' }, input: ComputeInput): ComputeStep {
  switch (input.kind) {
    case 'start':
      return unchanged({ ...state, next: [...state.next, input] });
    case 'apply':
      return unchanged(state, { kind: 'answerApply', request: input.request, applied: false });
    case 'stop': {
      const escalates = input.mode === 'immediate' && state.mode === 'fast';
      const stops = input.request === null ? state.stops : [...state.stops, input.request];
      const refused = state.next.map(({ request }) => refuse(request, STOPPING));
      const halts: ComputeEffect[] = escalates ? [{ kind: 'halt', mode: 'immediate' }] : [];
      const mode = escalates ? 'immediate' : state.mode;
      return { state: { ...state, stops, mode, next: [] }, effects: [...refused, ...halts] };
    }
    case 'halted': {
      const next = begin(state.next);
      const ended: ComputeEffect = { kind: 'announceEnd', reason: state.reason, message: `stopped (${state.mode})` };
      return { ...next, effects: [...answerStops(state.stops, input.finalLsn), ended, ...next.effects] };
    }
    default:
      return unchanged(state);
  }
}

function halt(input: ComputeInput & { kind: 'stop' }, waiting: readonly Waiting[]): ComputeStep {
  const stops = input.request === null ? [] : [input.request];
  return {
    state: { status: 'stopping', mode: input.mode, reason: input.reason, stops, next: [] },
    effects: [...waiting.map(({ request }) => refuse(request, STOPPING)), { kind: 'halt', mode: input.mode }],
  };
}

const answerStart = (request: RequestId, running: Running): ComputeEffect => ({
  kind: 'answerStart',
  request,
  running,
});

const refuse = (request: RequestId, failure: Failure): ComputeEffect => ({ kind: 'refuse', request, failure });

const answerStops = (requests: readonly RequestId[], finalLsn: Lsn | null): ComputeEffect[] =>
  requests.map((request) => ({ kind: 'answerStop', request, finalLsn }));

function partition<T>(values: readonly T[], test: (value: T) => boolean): [T[], T[]] {
  return [values.filter(test), values.filter((value) => !test(value))];
}

/** Tokens are renewed with every request and change nothing about what a compute is. */
export function sameSpec(a: ComputeSpec, b: ComputeSpec): boolean {
  return canonical({ ...a, token: '' }) === canonical({ ...b, token: '' });
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
