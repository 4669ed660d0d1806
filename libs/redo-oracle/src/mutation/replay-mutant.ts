/** A replay of the whole recording with one mutant on, to the first difference that the oracle finds. */
import { compareFinalState } from '../final-state';
import { loadBase } from '../load-base';
import type { Recording } from '../recording';
import type { Redo } from '../redo';
import { Replay } from '../replay';
import { Findings } from '../report';
import { readWal } from '../wal-files';
import type { MutatedRedo } from './mutated-redo';
import type { Catch } from './mutation-pass';

/** @returns null when the mutant survives */
export function replayMutant(mutated: MutatedRedo, recording: Recording, id: number): Catch | null {
  const redo = withMutant(mutated, id);
  const { baseDir, dataDir, range, settings } = recording;
  const findings = new Findings();
  try {
    const store = loadBase(baseDir, { major: range.major, codecs: settings, redo });
    const replay = new Replay(store, findings, settings, redo);
    for (const record of readWal(dataDir, range)) {
      replay.step(record);
      if (findings.mismatchCount > 0) break;
    }
    const { loggedDatabases, commitCount } = replay;
    if (findings.mismatchCount === 0)
      compareFinalState({ major: range.major, dataDir, store, findings, loggedDatabases, commitCount });
  } catch (error) {
    return { by: 'exception', where: error instanceof Error ? error.message : String(error) };
  }
  const [first] = findings.mismatches;
  if (first === undefined) return null;
  return { by: first.where === 'record' ? 'image' : 'final state', where: `${first.what} ${first.page}` };
}

const withMutant = ({ redo, switches }: MutatedRedo, id: number): Pick<Redo, 'changesOf' | 'applyDelta'> => ({
  changesOf: (record, settings) => switches.runWith(id, () => redo.changesOf(record, settings)),
  applyDelta: (page, delta, context) => switches.runWith(id, () => redo.applyDelta(page, delta, context)),
});
