/** What makes much WAL during a fault. A statement that fails is what the fault is for: the next one comes in a moment. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, Session } from './bank';

const PAUSE_MS = 100;
const MESSAGE_SIZE = 1024 * 1024;
/** 2 MiB of WAL, in pages of their own. */
const ROWS = 2_000;

/** WAL that changes no page, for a disk that has no room. */
export const writeMessages = (address: Address, over: AbortSignal): Promise<void> =>
  repeat(address, over, (session) =>
    session.rows("SELECT pg_logical_emit_message(false, 'chaos', repeat('x', $1::int))", [MESSAGE_SIZE]),
  );

/** WAL that a pageserver has to take in. */
export const writePages = (address: Address, over: AbortSignal): Promise<void> =>
  repeat(address, over, (session) =>
    session.rows("INSERT INTO ballast SELECT n, repeat('x', 1000) FROM generate_series(1, $1::int) n", [ROWS]),
  );

async function repeat(
  address: Address,
  over: AbortSignal,
  once: (session: Session) => Promise<unknown>,
): Promise<void> {
  try {
    const session = await Session.open(address);
    try {
      while (!over.aborted) {
        await once(session);
        await sleep(PAUSE_MS);
      }
    } finally {
      session.close();
    }
  } catch {
    await sleep(PAUSE_MS);
  }
}
