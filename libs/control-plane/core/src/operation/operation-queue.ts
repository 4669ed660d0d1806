/** Whoever carries operations out in this process: told when there is work, asked when it is done. */
export abstract class OperationQueue {
  /** There may be something to do in this project. */
  abstract nudge(projectId: string): void;
  /** Resolves when the operation has ended, whatever its end. */
  abstract ended(operationId: string): Promise<void>;
}
