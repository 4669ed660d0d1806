/** `./neon verify consensus`: proposers and acceptors under simulated faults, and planted bugs that must be caught. */
import { runConsensusSimulation } from '@neon/simulation';
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
