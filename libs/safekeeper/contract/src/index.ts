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
