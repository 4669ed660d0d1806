/**
 * The real acceptor and proposer as parties of a model: what they are and say, without what no rule depends on.
 *
 *   X1  A party is stepped by the real step functions and by nothing else; its effects are performed at once and durably.
 *   X2  What is left out (clocks, sessions, counters of flushes, the window's beginning, who the donor is) changes no
 *       decision in a world where anything may take any time, and a leader can always read its own log.
 *
 * The log is a list of entries; the LSN of entry n is 1 + n, and its one byte is the term that wrote it.
 */
import {
  Acceptor,
  type AcceptorInput,
  type AcceptorMessage,
  type AcceptorPosition,
  AcceptorState,
  DEFAULT_TIMING,
  type Member,
  type Membership,
  type Peer,
  Proposer,
  type ProposerInput,
  type ProposerMessage,
  type ProposerState,
  TermHistory,
  type TimelineIdentity,
} from '@neon/consensus';
import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId, unreachable } from '@neon/kernel';
import type { Mutant } from '../consensus/mutant';

export const START_LSN = Lsn.of(1);
export const idOf = (index: number): SafekeeperId => SafekeeperId.of(index + 1);
export const memberOf = (index: number): Member => ({ safekeeperId: idOf(index), incarnation: `disk of ${index + 1}` });

const SESSION = 1;
const NEVER = 1e9;
const BLOCK_SIZE = 128 * 1024;

const IDENTITY: TimelineIdentity = {
  tenantId: TenantId.parse('11'.repeat(16)),
  timelineId: TimelineId.parse('22'.repeat(16)),
  pgMajor: 17,
  systemId: SystemId.parse('7000000000000000001'),
  walSegmentSize: 1024,
};

/** The entries of a log, as the terms that wrote them. */
export type Entries = readonly number[];

/** The log that a history says there is below `endLsn`. */
export function entriesOf(history: TermHistory, endLsn: Lsn): Entries {
  return Array.from({ length: endLsn - START_LSN }, (_, index) =>
    TermHistory.termAt(history, Lsn.of(START_LSN + index)),
  );
}

export type Claim = AcceptorInput & { kind: 'learned' };

/** That entries are committed, and those of them from one on; undefined: none of them. */
export function claimOf(committed: Entries, from: number | undefined): Claim {
  const endLsn = Lsn.of(START_LSN + committed.length);
  const switches = committed.flatMap((term, index) =>
    term === (committed[index - 1] ?? 0) ? [] : [{ term: Term.of(term), startLsn: Lsn.of(START_LSN + index) }],
  );
  const termHistory = TermHistory.of([{ term: Term.ZERO, startLsn: START_LSN }, ...switches]);
  const startLsn = from === undefined ? endLsn : Lsn.of(START_LSN + from);
  return {
    kind: 'learned',
    termHistory,
    endLsn,
    startLsn,
    bytes: Uint8Array.from(committed.slice(startLsn - START_LSN)),
  };
}

export interface ModelAcceptor {
  readonly state: AcceptorState;
  readonly entries: Entries;
}

export interface AcceptorOutcome {
  readonly acceptor: ModelAcceptor;
  readonly replies: readonly AcceptorMessage[];
  readonly position: AcceptorPosition | undefined;
}

export interface ProposerOutcome {
  readonly proposer: ProposerState;
  readonly sends: readonly { readonly to: number; readonly message: ProposerMessage }[];
  /** Connections that it has closed. */
  readonly closed: readonly number[];
  readonly elected: readonly Term[];
  /** What it has committed in all, when it has committed more. */
  readonly committed: Entries | undefined;
}

/** A message of a dead or closed session, and a commit LSN, are of no use to a model that leaves them out. */
export interface PartyOptions {
  readonly mutant: Mutant;
  readonly carriesCommit: boolean;
}

export const newAcceptor = (membership: Membership): ModelAcceptor => {
  const created = AcceptorState.create({
    safekeeperId: idOf(0),
    identity: IDENTITY,
    membership,
    startLsn: START_LSN,
    term: Term.ZERO,
  });
  const state = AcceptorState.recover(created, { flushLsn: START_LSN, incarnation: '' });
  return { state, entries: [] };
};

export function stepAcceptor(
  acceptor: ModelAcceptor,
  self: Member,
  first: AcceptorInput,
  { mutant }: PartyOptions,
): AcceptorOutcome {
  let state: AcceptorState = { ...acceptor.state, ...self };
  let entries = [...acceptor.entries];
  const replies: AcceptorMessage[] = [];
  let position: AcceptorPosition | undefined;
  const inputs: AcceptorInput[] = [first];
  for (let input = inputs.shift(); input !== undefined; input = inputs.shift()) {
    const result = mutant.acceptor?.(state, input, Acceptor.step) ?? Acceptor.step(state, input);
    state = result.state;
    for (const effect of result.effects)
      switch (effect.kind) {
        case 'write': {
          entries = [...entries.slice(0, effect.startLsn - START_LSN), ...effect.bytes];
          const endLsn = Lsn.of(START_LSN + entries.length);
          const { truncationCount } = state;
          inputs.push({ kind: 'written', endLsn, recordEndLsn: endLsn });
          inputs.push({ kind: 'flushed', endLsn, recordEndLsn: endLsn, truncationCount });
          break;
        }
        case 'truncate':
          entries = entries.slice(0, effect.endLsn - START_LSN);
          break;
        case 'send':
          if (effect.session === SESSION) replies.push(effect.message);
          break;
        case 'refuse':
          if (effect.session === SESSION) replies.push({ kind: 'sessionRefused', code: effect.code, reason: '' });
          break;
        case 'answer':
          ({ position } = effect);
          break;
        case 'flush':
        case 'persist':
          break;
        default:
          unreachable(effect);
      }
  }
  return { acceptor: { state: withoutSelf(state), entries }, replies, position };
}

export const received = (message: ProposerMessage): AcceptorInput => ({ kind: 'received', session: SESSION, message });

const withoutSelf = (state: AcceptorState): AcceptorState => ({
  ...state,
  safekeeperId: idOf(0),
  incarnation: '',
  leader: undefined,
  truncationCount: 0,
  savedCommitLsn: state.commitLsn,
  truncateLsn: START_LSN,
});

export const newProposer = (membership: Membership, acceptorCount: number): ProposerState =>
  Proposer.create({
    identity: IDENTITY,
    membership,
    safekeepers: Array.from({ length: acceptorCount }, (_, index) => idOf(index)),
    token: '',
    timing: DEFAULT_TIMING,
  });

export function stepProposer(
  proposer: ProposerState,
  first: readonly ProposerInput[],
  { mutant, carriesCommit }: PartyOptions,
): ProposerOutcome {
  let state = proposer;
  const sends: { to: number; message: ProposerMessage }[] = [];
  const closed: number[] = [];
  const elected: Term[] = [];
  let committed: Entries | undefined;
  const inputs = [...first];
  for (let input = inputs.shift(); input !== undefined; input = inputs.shift()) {
    const result = mutant.proposer?.(state, input, Proposer.step) ?? Proposer.step(state, input);
    state = result.state;
    for (const effect of result.effects)
      switch (effect.kind) {
        case 'send':
          sends.push({
            to: effect.safekeeper - 1,
            message: carriesCommit ? effect.message : withoutCommit(effect.message),
          });
          break;
        case 'disconnect':
        case 'refused':
          closed.push(effect.safekeeper - 1);
          break;
        case 'elected':
          elected.push(effect.term);
          break;
        case 'committed':
          committed = entriesOf(leaderHistory(state), effect.lsn);
          break;
        case 'fetchWal': {
          const { startLsn, endLsn, term } = effect;
          const bytes = Uint8Array.from(entriesOf(leaderHistory(state), endLsn).slice(startLsn - START_LSN));
          inputs.push({ kind: 'walFetched', term, startLsn, bytes });
          break;
        }
        case 'membershipChanged':
        case 'deposed':
          break;
        default:
          unreachable(effect);
      }
  }
  return { proposer: timeless(state), sends, closed, elected, committed };
}

function leaderHistory({ phase }: ProposerState): TermHistory {
  if (phase.kind !== 'leading') throw new Error('broken promise: only a leader commits or reads its log');
  return phase.termHistory;
}

/** What no promise but A4 looks at. */
const withoutCommit = (message: ProposerMessage): ProposerMessage =>
  message.kind === 'appendRequest' ? { ...message, commitLsn: Lsn.ZERO, truncateLsn: Lsn.ZERO } : message;

/** One block for each term: whatever is appended in a term is that term. */
const blocks = new Map<Term, Uint8Array>();

function blockOf(term: Term): Uint8Array {
  const block = blocks.get(term) ?? new Uint8Array(BLOCK_SIZE).fill(term);
  blocks.set(term, block);
  return block;
}

function timelessPeer(peer: Peer): Peer {
  if (peer.kind === 'streaming') return { ...peer, heardTick: 0, sentTick: 0, sentCommitLsn: Lsn.ZERO };
  return 'heardTick' in peer ? { ...peer, heardTick: 0 } : peer;
}

function timeless(state: ProposerState): ProposerState {
  const { phase, term } = state;
  const peers = new Map<SafekeeperId, Peer>(
    [...state.peers].sort(([a], [b]) => a - b).map(([id, peer]) => [id, timelessPeer(peer)]),
  );
  const rest = { ...state, peers, tick: 0, truncateLsn: Lsn.ZERO, fetch: { kind: 'none' } } as const;
  const noWindow = { startLsn: Lsn.ZERO, endLsn: Lsn.ZERO, blocks: [] };
  switch (phase.kind) {
    case 'collecting':
      return { ...rest, phase: { kind: 'collecting', campaignTick: undefined }, window: noWindow };
    case 'campaigning':
      return { ...rest, phase: { kind: 'campaigning', deadlineTick: NEVER }, heardTerm: term, window: noWindow };
    case 'leading': {
      const window = { startLsn: phase.termStartLsn, endLsn: state.window.endLsn, blocks: [blockOf(term)] };
      return { ...rest, phase: { ...phase, donor: idOf(0) }, heardTerm: term, window };
    }
    case 'deposed':
      return {
        ...rest,
        phase: { kind: 'deposed', term: Term.ZERO },
        peers: new Map(),
        heardTerm: Term.ZERO,
        term: Term.ZERO,
        commitLsn: Lsn.ZERO,
        window: noWindow,
      };
    default:
      return unreachable(phase);
  }
}
