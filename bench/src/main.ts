/** `./neon bench [suite] [--json]`: measures the running installation, and what needs none: redo and one safekeeper. */
import { cpus } from 'node:os';
import { giveAllBack, giveBackOnSignals } from './at-end';
import { branch } from './branch';
import { coldStart } from './cold-start';
import { commit } from './commit';
import { getpage } from './getpage';
import { hydration } from './hydration';
import { ingest } from './ingest';
import { redo } from './redo';
import { safekeeper } from './safekeeper';
import type { Row, Suite } from './row';

const SUITES: readonly Suite[] = [coldStart, branch, commit, getpage, hydration, ingest, redo, safekeeper];

const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.version}`;

const number = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);

function print(suite: Suite, rows: readonly Row[]): void {
  console.log(`\n${suite.name}: ${suite.what} (${machine})`);
  for (const { name, value, unit, peer, ratio } of rows) {
    const beside =
      peer === undefined ? '' : `${number(peer.value)} ${unit} ${peer.name}, ratio ${(ratio ?? NaN).toFixed(2)}`;
    console.log(`  ${name.padEnd(44)} ${number(value).padStart(8)} ${unit.padEnd(5)} ${beside}`);
  }
}

async function main(args: readonly string[]): Promise<void> {
  const json = args.includes('--json');
  const wanted = args.filter((arg) => !arg.startsWith('--'));
  const unknown = wanted.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0)
    throw new Error(`no suite ${unknown.join(', ')}: one of ${SUITES.map((suite) => suite.name).join(', ')}`);
  for (const suite of SUITES.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const rows = await suite.run((line) => console.error(`  ${suite.name}: ${line}`)).finally(giveAllBack);
    if (json) console.log(JSON.stringify({ suite: suite.name, machine, rows }));
    else print(suite, rows);
  }
}

giveBackOnSignals();
main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`neon bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
