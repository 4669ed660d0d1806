export { gapsOf, formatMatrix } from './coverage';
export { loadBase } from './load-base';
export { formatMutationReport, formatTable, isClean, type MutationReport } from './mutation/mutation-report';
export { verifyMutations } from './mutation/mutation-check';
export type { PageStore } from './page-store';
export { formatReport, type RedoReport } from './report';
export { findPostgresSources, nearestSource, type PostgresSource } from './scenario/postgres-source';
export type { Scenario } from './scenario/scenario';
export { testSuites } from './scenario/test-suites';
export { verifyRedo, type VerifyRedoOptions } from './verify-redo';
export {
  makeRandomTables,
  runRandomClients,
  runScripts,
  type WorkloadServer,
  type WorkloadSize,
} from './workload/run-workload';
export { collectSeeds } from './fuzz/collect-seeds';
export { readSeeds } from './fuzz/corpus';
export { runFuzz, type FuzzFailure, type FuzzResult } from './fuzz/fuzz';
export { encodeInputs } from './fuzz/input';
