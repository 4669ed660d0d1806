/** Synchronous work that may turn out never to end. */
import { Script, createContext } from 'node:vm';

const CALL = new Script('call()');

export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

/** Runs `work` and stops it, wherever it is, after `timeoutMs`. @throws DeadlineExceeded */
export function withinDeadline(timeoutMs: number, work: () => void): void {
  try {
    CALL.runInContext(createContext({ call: work }), { timeout: timeoutMs });
  } catch (error) {
    // By its code: the engine's error may be of another realm.
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
    if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new DeadlineExceeded(`not done after ${timeoutMs} ms`);
    throw error;
  }
}
