/** An acceptor with a log in memory, whose effects are performed at once: what a safekeeper is without its disk. */
import {
  Acceptor,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorMessage,
  AcceptorState,
  Membership,
  type ProposerMessage,
  type SessionId,
} from '@neon/consensus';
import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId, assert, unreachable } from '@neon/kernel';

export const START_LSN = Lsn.of(0x100_0028);
export const IDENTITY = {
  tenantId: TenantId.parse('aa'.repeat(16)),
  timelineId: TimelineId.parse('bb'.repeat(16)),
  pgMajor: 17,
  systemId: SystemId.parse('7000000000000000001'),
  walSegmentSize: 16 * 1024 * 1024,
};
export const GENERATION = 1;

export class ToySafekeeper {
  state: AcceptorState;
  private pieces: Uint8Array[] = [];
  private answers: { readonly session: SessionId; readonly message: AcceptorMessage }[] = [];

  constructor(readonly id: SafekeeperId) {
    const membership = Membership.founding(GENERATION);
    const created = { safekeeperId: id, identity: IDENTITY, membership, startLsn: START_LSN, term: Term.ZERO };
    const recovered = { flushLsn: START_LSN, incarnation: `disk of ${id}` };
    this.state = AcceptorState.recover(AcceptorState.create(created), recovered);
  }

  get log(): Buffer {
    return Buffer.concat(this.pieces);
  }

  /** What it answers, to whomever. */
  receive(session: SessionId, message: ProposerMessage): AcceptorMessage[] {
    this.take({ kind: 'received', session, message });
    return this.answers.splice(0).flatMap((answer) => (answer.session === session ? [answer.message] : []));
  }

  disconnected(session: SessionId): void {
    this.take({ kind: 'disconnected', session });
  }

  private take(input: AcceptorInput): void {
    const before = this.state;
    const { state, effects } = Acceptor.step(before, input);
    this.state = state;
    for (const effect of effects) this.perform(effect);
    const { commitLsn, flushLsn, writeLsn, term } = this.state;
    assert(commitLsn >= before.commitLsn && term >= before.term, 'WF3: commit LSN and term never fall');
    assert(commitLsn <= flushLsn && flushLsn <= writeLsn, 'WF3: committed is durable, durable is written');
  }

  private perform(effect: AcceptorEffect): void {
    switch (effect.kind) {
      case 'write': {
        this.pieces.push(effect.bytes);
        const endLsn = Lsn.advance(effect.startLsn, effect.bytes.length);
        this.take({ kind: 'written', endLsn, recordEndLsn: endLsn });
        const { truncationCount } = this.state;
        this.take({ kind: 'flushed', endLsn, recordEndLsn: endLsn, truncationCount });
        break;
      }
      case 'truncate':
        assert(effect.endLsn >= this.state.commitLsn, 'WF3: what is committed is never cut off');
        this.pieces = [this.log.subarray(0, effect.endLsn - START_LSN)];
        break;
      case 'send':
        this.answers.push(effect);
        break;
      case 'refuse':
        this.answers.push({
          session: effect.session,
          message: { kind: 'sessionRefused', code: effect.code, reason: effect.reason },
        });
        break;
      case 'flush':
      case 'persist':
      case 'answer':
        break;
      default:
        unreachable(effect);
    }
  }
}
