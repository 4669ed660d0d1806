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
