export { SeededRandom } from './seeded-random';
export { Scheduler } from './scheduler';
export { Connection, Partitions, type NetworkProfile, type Receiver } from './network';
export { ForgetfulFile } from './disk';
export { Violation } from './consensus/checker';
export type { Mutant } from './consensus/mutant';
export { runConsensusSeed, type RunReport } from './consensus/run';
export {
  MUTANTS,
  catchMutant,
  runConsensusSimulation,
  type ConsensusSimulationOptions,
  type ConsensusSimulationResult,
} from './consensus/campaign';
export { checkModel, type ModelCheckResult } from './model/check';
export { FULL_MODELS, SMALL_MODELS, sizeText, type NamedModel } from './model/sizes';
export { type ModelSize } from './model/world';
export { type Conversation, cut, mutate, mutateBytes, withLength } from './wire/mutate';
export { encodeWireInput } from './wire/corpus';
export { runWireFuzz, type WireFailure, type WireInput } from './wire/wire-fuzz';
