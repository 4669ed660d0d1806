import type { Mutant } from './mutant';
import { formatMutationReport, formatTable, isClean, type MutationReport, type Outcome } from './mutation-report';

const mutant = (id: number, functionName: string): Mutant => ({
  id,
  file: 'redo/heap.ts',
  functionName,
  line: 10 + id,
  mutation: '+ to -',
  original: 'a + b',
  occurrence: 1,
});
const report = (...outcomes: readonly Outcome[]): MutationReport => ({
  seed: 3,
  postgresVersions: ['17.10'],
  outcomes: outcomes.map((outcome, id) => ({ mutant: mutant(id, `redo${id}`), outcome })),
  stale: [],
  listedButCaught: [],
});

const CAUGHT: Outcome = {
  status: 'caught',
  major: 17,
  by: { by: 'image', where: 'Heap/INSERT at 0/28: block 0 at 8' },
};
const BY_SPEC: Outcome = { status: 'by spec', spec: 'redo/heap.spec.ts: a rule' };
const EQUIVALENT: Outcome = { status: 'equivalent', reason: 'a hint' };

test('a report ends with the sum', () => {
  const lines = formatMutationReport(report(CAUGHT, BY_SPEC, EQUIVALENT, { status: 'unreached' })).split('\n');
  expect(lines.at(-1)).toBe('4 mutants, 1 caught, 1 by specs, 1 equivalent, 1 not reached, 0 survived');
});

test('Z2: a survivor, one that was not reached, and an entry that is not true make it unclean, and are named', () => {
  expect(isClean(report(CAUGHT, BY_SPEC, EQUIVALENT))).toBe(true);
  const survived = report({ status: 'survived' });
  expect(isClean(survived)).toBe(false);
  expect(formatMutationReport(survived)).toContain('SURVIVED: redo/heap.ts redo0: a + b [+ to -] (line 10)');
  const unreached = report(CAUGHT, { status: 'unreached' });
  expect(isClean(unreached)).toBe(false);
  expect(formatMutationReport(unreached)).toContain('NOT REACHED: redo/heap.ts redo1: a + b [+ to -] (line 11)');
  const stale = { ...report(CAUGHT), stale: ['redo/heap.ts gone: a + b [+ to -]'] };
  expect(isClean(stale)).toBe(false);
  expect(formatMutationReport(stale)).toContain(
    'LISTED, BUT THERE IS NO SUCH MUTANT: redo/heap.ts gone: a + b [+ to -]',
  );
  const caught = { ...report(CAUGHT), listedButCaught: ['redo/heap.ts redo0: a + b [+ to -]'] };
  expect(isClean(caught)).toBe(false);
  expect(formatMutationReport(caught)).toContain('LISTED, BUT CAUGHT: redo/heap.ts redo0: a + b [+ to -]');
});

test('the table has a line for each mutant, with what caught it or why nothing can', () => {
  expect(formatTable(report(CAUGHT, BY_SPEC, EQUIVALENT)).split('\n')).toEqual([
    'caught\tredo/heap.ts redo0: a + b [+ to -]\tline 10\timage on 17: Heap/INSERT at 0/28: block 0 at 8',
    'by spec\tredo/heap.ts redo1: a + b [+ to -]\tline 11\tredo/heap.spec.ts: a rule',
    'equivalent\tredo/heap.ts redo2: a + b [+ to -]\tline 12\ta hint',
  ]);
});
