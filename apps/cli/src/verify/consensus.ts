/** `./neon verify consensus`: proposers and acceptors under simulated faults, and planted bugs that must be caught. */
import { runConsensusSimulation } from '@neon/simulation';
import { CommandFailure, say } from '../progress';

const SEEDS = { quick: 200, full: 3_000 };

export async function verifyConsensus({
  quick,
  seed,
  minutes,
}: {
  quick: boolean;
  seed: number;
  minutes?: number;
}): Promise<void> {
  const options = { seeds: quick ? SEEDS.quick : SEEDS.full, seed, report: (line: string) => say(`  ${line}`) };
  const result = runConsensusSimulation(
    minutes === undefined ? options : { ...options, minutes, now: () => Date.now() },
  );
  say(
    `${result.runs} runs, ${result.events} events, ${result.elections} elections, ${result.acknowledgedBytes} bytes acknowledged, first seed ${seed}`,
  );
  for (const { name, caughtBy } of result.planted)
    say(`  planted bug "${name}": ${caughtBy === undefined ? 'NOT CAUGHT' : `caught by seed ${caughtBy}`}`);
  for (const { seed: failing, violation } of result.failed) say(`  seed ${failing}: ${violation}`);
  if (!result.ok) throw new CommandFailure('the simulation found a violation, or missed a planted bug');
  await Promise.resolve();
}
