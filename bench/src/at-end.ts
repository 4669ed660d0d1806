/** What a run takes and must give back however it ends: by its return, by an error, or by SIGINT or SIGTERM. */
import { constants } from 'node:os';

type GiveBack = () => Promise<void>;

const owed = new Set<GiveBack>();

/** @returns `undo`, to be done before the end of the run too: it is done once */
export function atEnd(undo: () => unknown): GiveBack {
  let done: Promise<void> | undefined;
  const giveBack: GiveBack = () => {
    done ??= Promise.resolve().then(async () => void (await undo()));
    return done.finally(() => owed.delete(giveBack));
  };
  owed.add(giveBack);
  return giveBack;
}

/** The last taken first; what cannot be given back is said, and is no reason to keep the rest. */
export async function giveAllBack(): Promise<void> {
  for (const giveBack of [...owed].reverse())
    await giveBack().catch((error: unknown) => console.error(`neon bench: ${String(error)}`));
}

/** From now on a signal ends the process when all is given back, and a second one at once. */
export function giveBackOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      console.error(`neon bench: ${signal}, putting things back`);
      void giveAllBack().finally(() => process.exit(128 + constants.signals[signal]));
    });
}
