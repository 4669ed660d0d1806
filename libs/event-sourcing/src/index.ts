export { type Decider, type DomainEvent, streamOf, idOfStream } from './decider';
export {
  EventStore,
  VersionConflict,
  type EventMetadata,
  type NewEvent,
  type RecordedEvent,
  type StreamAppend,
} from './event-store';
export { MemoryEventStore } from './memory-event-store';
export { CommandHandler, type Committed, type Origin, type Unit, decode } from './command-handler';
export { CheckpointStore, MemoryCheckpointStore, type Projection, ProjectionRunner } from './projection';
export { given, type Outcome } from './given';
export { eventStoreContract } from './event-store.contract';
export { uuid } from './uuid';
