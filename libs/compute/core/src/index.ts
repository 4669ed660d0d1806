export {
  type AccessDrop,
  type AccessState,
  type AccessStep,
  ACCESS_QUERY,
  MAINTENANCE_DATABASE,
  PLATFORM_SUPERUSER,
  planAccess,
} from './access/access-plan';
export { quoteIdentifier, quoteLiteral } from './access/sql-quote';
export { type Activity, type ActivityRow, ACTIVITY_QUERY, nextActivity } from './activity/activity';
export {
  type BackpressureLimits,
  type Pressure,
  type PressureCause,
  type WalPositions,
  DEFAULT_LIMITS,
  pressureOf,
  walDelay,
  walRate,
} from './backpressure/backpressure';
export { FULL } from '@neon/consensus';
export {
  type DirectoryPlan,
  type Placeholder,
  type PlannedFile,
  type RelationFork,
  decodeRelations,
  planDirectory,
} from './directory/directory-plan';
export { type StartPoint, type StartPointWanted, planStartPoint } from './directory/start-point';
export {
  type Compute,
  type ComputeEffect,
  type ComputeInput,
  type EndReason,
  type Failure,
  type RequestId,
  type Running,
  type StopMode,
  Lifecycle,
} from './lifecycle/lifecycle';
export { type StartRange, isFresh, pagesAhead } from './pages/start-pages';
export { type ServerAddress, WALPROPOSER, pgHba, pgIdent, postgresConf } from './settings/postgres-conf';
