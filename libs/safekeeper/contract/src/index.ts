export {
  DIGEST_SIZE_MAX,
  MemberBody,
  MembershipBody,
  MembershipConfigure,
  type MembershipConfigureBody,
  MembershipPosition,
  TermRaise,
  TimelinePull,
  TimelineRemoval,
  WAL_PIECE_SIZE_MAX,
  WalDigest,
  WalRange,
} from './membership';
export {
  Chosen,
  MEMBERSHIP_GENERATION_FIRST,
  SafekeeperStatus,
  TimelineCreate,
  type TimelineCreateBody,
  TimelineDelete,
  TimelineDetail,
  TimelineList,
} from './management';
export { SafekeeperAlive, SafekeeperTimelineStatus, safekeeperAlive, safekeeperTimelineStatus } from './signals';
