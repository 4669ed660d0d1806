/** What a run of the mutation check found, mutant by mutant. */
import { functionOf, groupBy, mutantName, type Mutant } from './mutant';
import type { Catch } from './mutation-pass';

export type Outcome =
  | { readonly status: 'caught'; readonly by: Catch; readonly major: number }
  /** Caught by a spec of libs/postgres alone. */
  | { readonly status: 'by spec'; readonly spec: string }
  /** Listed as one that cannot be told from redo. */
  | { readonly status: 'equivalent'; readonly reason: string }
  /** Not caught, and not listed. */
  | { readonly status: 'survived' }
  /** Not listed, and no record passed its place. */
  | { readonly status: 'unreached' };

export interface MutantOutcome {
  readonly mutant: Mutant;
  readonly outcome: Outcome;
}

export interface MutationReport {
  readonly seed: number;
  readonly postgresVersions: readonly string[];
  readonly outcomes: readonly MutantOutcome[];
  /** Entries of the list of equivalents whose mutant does not exist. */
  readonly stale: readonly string[];
  /** Mutants that are listed and were caught all the same. */
  readonly listedButCaught: readonly string[];
}

export const countOf = ({ outcomes }: MutationReport, status: Outcome['status']): number =>
  outcomes.filter(({ outcome }) => outcome.status === status).length;

/** Whether every mutant was caught that can be, and the list of those that cannot is true. */
export const isClean = (report: MutationReport): boolean =>
  countOf(report, 'survived') === 0 &&
  countOf(report, 'unreached') === 0 &&
  report.stale.length === 0 &&
  report.listedButCaught.length === 0;

/** The whole table: status, by what, place, mutation; columns apart by tabs. */
export const formatTable = ({ outcomes }: MutationReport): string =>
  outcomes
    .map(({ mutant, outcome }) =>
      [outcome.status, mutantName(mutant), `line ${mutant.line}`, evidence(outcome)].join('\t'),
    )
    .join('\n');

function evidence(outcome: Outcome): string {
  if (outcome.status === 'caught') return `${outcome.by.by} on ${outcome.major}: ${outcome.by.where}`;
  if (outcome.status === 'by spec') return outcome.spec;
  return outcome.status === 'equivalent' ? outcome.reason : '';
}

/** A row for each file, then whatever is not as it should be, then the sum. */
export function formatMutationReport(report: MutationReport): string {
  const files = groupBy(report.outcomes, ({ mutant }) => mutant.file);
  const rows = [...files].map(([file, outcomes]) => row(file, { ...report, outcomes }));
  const functions = new Set(report.outcomes.map(({ mutant }) => functionOf(mutant)));
  const bad = report.outcomes.filter(({ outcome }) => outcome.status === 'survived');
  const unreached = report.outcomes.filter(({ outcome }) => outcome.status === 'unreached');
  return [
    `${'file'.padEnd(30)}${COLUMNS.map(([name]) => name.padStart(12)).join('')}`,
    ...rows,
    '',
    ...report.listedButCaught.map((name) => `LISTED, BUT CAUGHT: ${name}`),
    ...report.stale.map((name) => `LISTED, BUT THERE IS NO SUCH MUTANT: ${name}`),
    ...unreached.map(({ mutant }) => `NOT REACHED: ${mutantName(mutant)} (line ${mutant.line})`),
    ...bad.map(({ mutant }) => `SURVIVED: ${mutantName(mutant)} (line ${mutant.line})`),
    `Postgres ${report.postgresVersions.join(', ')}, seed ${report.seed}: ${functions.size} functions`,
    `${report.outcomes.length} mutants, ${countOf(report, 'caught')} caught, ${countOf(report, 'by spec')} by specs, ${countOf(report, 'equivalent')} equivalent, ${unreached.length} not reached, ${bad.length} survived`,
  ].join('\n');
}

const COLUMNS: readonly (readonly [name: string, count: (report: MutationReport) => number])[] = [
  ['mutants', ({ outcomes }) => outcomes.length],
  ['by image', (report) => caughtBy(report, 'image')],
  ['exception', (report) => caughtBy(report, 'exception')],
  ['final state', (report) => caughtBy(report, 'final state')],
  ['by spec', (report) => countOf(report, 'by spec')],
  ['equivalent', (report) => countOf(report, 'equivalent')],
  ['not reached', (report) => countOf(report, 'unreached')],
  ['survived', (report) => countOf(report, 'survived')],
];

const caughtBy = ({ outcomes }: MutationReport, by: Catch['by']): number =>
  outcomes.filter(({ outcome }) => outcome.status === 'caught' && outcome.by.by === by).length;

const row = (file: string, report: MutationReport): string =>
  `${file.padEnd(30)}${COLUMNS.map(([, count]) => String(count(report)).padStart(12)).join('')}`;
