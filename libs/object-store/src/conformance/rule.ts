import type { Subject } from './subject';

/** One thing that a store must do, and who counts on it. */
export interface ConformanceRule {
  readonly name: string;
  /** What does not work without it. */
  readonly neededFor: string;
  /** Whether the product cannot do without it. */
  readonly isRequired: boolean;
  /** @throws NotSupported when the feature is not there; any other error when it is broken */
  check(subject: Subject): Promise<void>;
}
