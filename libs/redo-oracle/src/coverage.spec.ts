import { gapsOf, recordTypesOf } from './coverage';
import { Findings, type RedoReport } from './report';

/** A run that saw every type of 17 and compared a page after each, but for what `change` makes of it. */
function reportOf(change: (findings: Findings) => void): RedoReport {
  const findings = new Findings();
  for (const name of recordTypesOf(17)) {
    const count = findings.countOf(name);
    count.records = 1;
    count.imagesCompared = 1;
  }
  change(findings);
  return { ...findings.summary(), major: 17, postgresVersion: '17.10', seed: 1 };
}

test('a run that saw everything has no gaps', () => {
  expect(gapsOf(reportOf(() => undefined))).toEqual([]);
});

test('C1: a type that was not written is a gap', () => {
  expect(gapsOf(reportOf(({ types }) => types.delete('Gin/SPLIT')))).toEqual(['Gin/SPLIT was not written']);
});

test('C1: a type that no server writes is none', () => {
  expect(gapsOf(reportOf(({ types }) => types.delete('XLOG/NOOP')))).toEqual([]);
});

test('C2: a type after which no page was compared is a gap', () => {
  const report = reportOf((findings) => (findings.countOf('Heap/INSERT').imagesCompared = 0));
  expect(gapsOf(report)).toEqual(['Heap/INSERT was written, and no page compared after it']);
});

test.each(['Heap2/NEW_CID', 'Hash/SPLIT_PAGE', 'Transaction/COMMIT'])(
  'C2: %s has no page that could be compared',
  (name) => expect(gapsOf(reportOf((findings) => (findings.countOf(name).imagesCompared = 0)))).toEqual([]),
);

test('majors have their own types', () => {
  expect(recordTypesOf(16)).toContain('Heap2/FREEZE_PAGE');
  expect(recordTypesOf(17)).not.toContain('Heap2/FREEZE_PAGE');
  expect(recordTypesOf(14)).toContain('Database/CREATE');
});
