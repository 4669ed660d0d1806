export { TermHistory, type TermSwitch, type LogPosition } from './term-history';
export * from './message';
export { Acceptor } from './acceptor';
export {
  AcceptorState,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorStep,
  type DurableAcceptorState,
  type SessionId,
} from './acceptor-state';
export { Proposer } from './proposer';
export {
  DEFAULT_TIMING,
  type ProposerConfig,
  type ProposerEffect,
  type ProposerInput,
  type ProposerState,
  type ProposerStep,
  type ProposerTiming,
} from './proposer-state';
export {
  FRAME_SIZE_MAX,
  encodeAcceptorMessage,
  encodeProposerMessage,
  decodeAcceptorMessage,
  decodeProposerMessage,
} from './codec';
