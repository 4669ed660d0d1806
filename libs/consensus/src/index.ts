export { TermHistory, type TermSwitch, type LogPosition } from './term-history';
export * from './message';
export {
  MEMBERS_MAX,
  Member,
  Membership,
  type JointMembership,
  type ListedMembership,
  type SettledMembership,
} from './membership';
export { MemberRecord, MembershipRecord } from './membership-record';
export { readMembership, writeMembership } from './membership-codec';
export { MembershipChange, type ChangeEffect, type ChangeInput, type ChangeStep } from './membership-change';
export { quorumFullness } from './quorum';
export {
  admit,
  admitRemoval,
  isAbsentFor,
  isRemovable,
  membershipToTell,
  positionOfRemoved,
  type Admission,
  type AdmissionRequest,
  type Presence,
  type RemovalRequest,
  type RemovedTimeline,
} from './admission';
export { Acceptor } from './acceptor';
export {
  AcceptorState,
  type AcceptorEffect,
  type AcceptorInput,
  type AcceptorPosition,
  type AcceptorStep,
  type DurableAcceptorState,
  type RequestId,
  type SessionId,
} from './acceptor-state';
export { Proposer } from './proposer';
export {
  DEFAULT_TIMING,
  type Peer,
  type ProposerConfig,
  type ProposerEffect,
  type ProposerInput,
  type ProposerState,
  type ProposerStep,
  type ProposerTiming,
} from './proposer-state';
export {
  FRAME_SIZE_MAX,
  VersionUnsupported,
  encodeAcceptorMessage,
  encodeProposerMessage,
  decodeAcceptorMessage,
  decodeProposerMessage,
} from './codec';
