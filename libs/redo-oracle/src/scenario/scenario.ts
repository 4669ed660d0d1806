/**
 * A scenario makes a stock cluster write WAL of some kinds; the oracle then replays what was recorded.
 *
 *   N1  `run` begins recording (`cluster.record()`), exactly once, and leaves the cluster stopped cleanly.
 */
import type { PostgresMajor } from '@neon/postgres';
import type { OracleCluster } from '../oracle-cluster';
import type { WorkloadSize } from '../workload/run-workload';

export interface ScenarioContext {
  readonly major: PostgresMajor;
  readonly seed: number;
  readonly size: WorkloadSize;
  /** Told what happens, line by line. */
  readonly report: (line: string) => void;
}

export interface Scenario {
  readonly name: string;
  run(cluster: OracleCluster, context: ScenarioContext): Promise<void>;
}
