/**
 * Whether a run saw every type of record that its Postgres can write, and compared pages after each type that changes some.
 *
 *   C1  Every type that `recordName` knows for the major was seen, unless NEVER_WRITTEN says why it cannot be.
 *   C2  After every type that Postgres' own check covers a page was compared, unless NEVER_COMPARED says why none can be.
 */
import { recordName, type PostgresMajor } from '@neon/postgres';
import type { RedoReport } from './report';

/** Types with a code and a redo function that no server writes. */
const NEVER_WRITTEN: Readonly<Record<string, string>> = {
  'XLOG/NOOP': 'reserved: nothing in Postgres writes it',
  'Heap/HOT_UPDATE+INIT': 'a HOT update adds to the page of the old version, which so is never a new one',
};

const NO_PAGES = 'names no page';
const IMAGE_ONLY = 'its pages come as images to be restored, which leave nothing to compare';
const UNCHECKED = 'of a resource manager that wal_consistency_checking leaves out; the final state is compared';

const NEVER_COMPARED: Readonly<Record<string, string>> = {
  'Btree/REUSE_PAGE': NO_PAGES,
  'Gist/ASSIGN_LSN': NO_PAGES,
  'Gist/PAGE_REUSE': NO_PAGES,
  'Heap/TRUNCATE': NO_PAGES,
  'Heap2/NEW_CID': NO_PAGES,
  'Heap2/REWRITE': NO_PAGES,
  'Gin/SPLIT': IMAGE_ONLY,
  'Gin/VACUUM_PAGE': IMAGE_ONLY,
  'Hash/SPLIT_PAGE': IMAGE_ONLY,
};

/** The resource managers with a mask function (rm_mask of access/rmgrlist.h). */
const CHECKED = /^(Heap2|Heap|Btree|Hash|Gin|Gist|Sequence|SPGist|BRIN|Generic)\//;

/** Every type of record of a major, by name. */
export function recordTypesOf(major: PostgresMajor): string[] {
  const names = new Set<string>();
  for (let rmid = 0; rmid < 256; rmid++)
    for (let info = 0; info < 256; info += 16) {
      const name = recordName({ major, rmid, info });
      if (name !== null) names.add(name);
    }
  return [...names].sort();
}

/** What C1 and C2 lack, a line each. */
export function gapsOf({ major, types }: RedoReport): string[] {
  return recordTypesOf(major).flatMap((name) => {
    const count = types.get(name);
    if (count === undefined) return NEVER_WRITTEN[name] === undefined ? [`${name} was not written`] : [];
    const mustCompare = CHECKED.test(name) && NEVER_COMPARED[name] === undefined;
    return mustCompare && count.imagesCompared === 0 ? [`${name} was written, and no page compared after it`] : [];
  });
}

const NAME_WIDTH = 30;
const COUNT_WIDTH = 20;

/** Record types by majors: records, and pages compared after them; below, why some have none. */
export function formatMatrix(reports: readonly RedoReport[]): string {
  const names = [
    ...new Set(reports.flatMap((report) => [...recordTypesOf(report.major), ...report.types.keys()])),
  ].sort();
  const row = (name: string, cells: readonly string[]): string =>
    `${name.padEnd(NAME_WIDTH)}${cells.map((cell) => cell.padStart(COUNT_WIDTH)).join('')}`;
  return [
    row(
      'records / pages compared',
      reports.map(({ postgresVersion }) => postgresVersion),
    ),
    ...names.map((name) =>
      row(
        name,
        reports.map((report) => cellOf(report, name)),
      ),
    ),
    '',
    '-: this major has no such type. Without a count:',
    ...Object.entries(NEVER_WRITTEN).map(([name, reason]) => `  ${name}: ${reason}`),
    'Without a page compared:',
    ...Object.entries(NEVER_COMPARED).map(([name, reason]) => `  ${name}: ${reason}`),
    `  others: ${UNCHECKED}`,
  ].join('\n');
}

function cellOf({ major, types }: RedoReport, name: string): string {
  const count = types.get(name);
  if (count === undefined) return recordTypesOf(major).includes(name) ? '0' : '-';
  return `${count.records} / ${count.refused > 0 ? `${count.refused} refused` : count.imagesCompared}`;
}
