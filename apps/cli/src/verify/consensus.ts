/** `./neon verify consensus`: proposers and acceptors under simulated faults, and planted bugs that must be caught. */
import { FULL_MODELS, SMALL_MODELS, checkModel, runConsensusSimulation, sizeText } from '@neon/simulation';
import { CommandFailure, say } from '../progress';

const SEEDS = { quick: 200, full: 10_000 };

export async function verifyConsensus({
  quick,
  seed,
  minutes,
}: {
  quick: boolean;
  seed: number;
  minutes?: number;
}): Promise<void> {
  const extent = minutes === undefined ? { seeds: quick ? SEEDS.quick : SEEDS.full } : { minutes };
  const result = runConsensusSimulation({ extent, seed, report: (line) => say(`  ${line}`) });
  const { runs, events, elections, generations, acknowledgedBytes } = result;
  say(
    `${runs} runs, ${events} events, ${elections} elections, ${generations} memberships, ${acknowledgedBytes} bytes acknowledged, first seed ${seed}`,
  );
  for (const { name, caughtBy } of result.planted)
    say(`  planted bug "${name}": ${caughtBy === undefined ? 'NOT CAUGHT' : `caught by seed ${caughtBy}`}`);
  for (const { seed: failing, violation } of result.failed) say(`  seed ${failing}: ${violation}`);
  if (!result.ok) throw new CommandFailure('the simulation found a violation, or missed a planted bug');
  await Promise.resolve();
}

/** `./neon verify consensus --model`: the same step functions, in every world that can be reached within some bounds. */
export function verifyConsensusModel(size: 'small' | 'full'): void {
  for (const model of size === 'small' ? SMALL_MODELS : FULL_MODELS) {
    say(`${model.name}: ${sizeText(model.size)}`);
    const { states, generated, depth, broken } = checkModel({ size: model.size, report: (line) => say(`  ${line}`) });
    if (broken === undefined) say(`  complete: ${states} states, ${generated} steps, depth ${depth}`);
    else {
      for (const action of broken.trace) say(`  ${action}`);
      throw new CommandFailure(`after these steps an invariant is broken: ${broken.invariant}`);
    }
  }
}
