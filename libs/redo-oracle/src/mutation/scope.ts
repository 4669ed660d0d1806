/**
 * What of libs/postgres is mutated: the functions that say what a record does to pages, and do it.
 *
 *   S1  Left out is the judge: masks, page kinds, the comparison. A mutant there would change the verdict, not the page.
 *   S2  Arguments that are only checked (the least size of a record's part, the end of a buffer) are left alone: WAL that
 *       Postgres wrote never comes near them. Records that do not fit are the business of libs/postgres' own specs.
 *   S3  Functions in these files that redo does not call: they serve the judge, or other readers of pages and records, or
 *       work once, when their module is loaded.
 */
const JUDGE = new Set([
  'page/hidden-state.ts',
  'page/mask.ts',
  'page/mask-unlogged.ts',
  'page/page-kind.ts',
  'redo/consistency.ts',
]);
/** Nor is what only describes, or decides for a page store what is left of an SLRU. */
const OTHERS = new Set(['redo/describe-delta.ts', 'redo/slru-truncation.ts', 'redo/custom-resource-manager.ts']);
const ALSO = new Set(['wal/image.ts', 'wal/main-data.ts']);

/** S1 */
export const isMutated = (file: string): boolean =>
  /\.ts$/.test(file) &&
  !/\.spec\.ts$|\/index\.ts$/.test(file) &&
  !JUDGE.has(file) &&
  !OTHERS.has(file) &&
  (/^(redo|page)\//.test(file) || ALSO.has(file));

/** S2: functions that check, and which of their arguments is nothing but a bound. */
const BOUNDS: Readonly<Record<string, number>> = {
  mainData: 1,
  blockData: 2,
  checkedTupleSize: 2,
  readEntry: 2,
  segmentSize: 2,
  leafTuple: 2,
  innerTuple: 2,
};

export const isBound = (functionName: string, argumentIndex: number): boolean => BOUNDS[functionName] === argumentIndex;

/** S2: properties that are nothing but a bound, as in `readU16Array(bytes, at, { count, end })`. */
export const isBoundProperty = (name: string): boolean => name === 'end';

/** S2: functions that do nothing but check. Neither they nor statements that call them are mutated. */
const CHECKS = new Set([
  'checkHeader',
  'checkPage',
  'checkItemPlace',
  'requireBlockRedo',
  'ONLY_BY_IMAGE',
  'MainDataReader.error',
  'MainDataReader.remaining',
  'unsupported',
]);
/** S2: functions whose result tells nothing when it is not used. */
const CHECKED_READS = new Set(['mainData', 'segmentSize', 'blockData', 'checkedTupleSize', 'storedItem']);

export const isCheck = (functionName: string): boolean => CHECKS.has(functionName);
export const isCheckStatement = (functionName: string): boolean =>
  isCheck(functionName) || CHECKED_READS.has(functionName);

/** S3 */
const NOT_OF_REDO = new Set([
  'brinPageType',
  'btreePrevious',
  'clearBrinFlags',
  'describeRecordDelta',
  'gistNsn',
  'MainDataReader.lsn',
  'isTupleSpeculative',
  'isXminFrozen',
  'pageChecksum',
  'pageIsSane',
  'pageLsn',
  'rulesOf',
  'parseAssignment',
  'setPageChecksum',
  'slruPageIsBefore',
  'unknownRecord',
  'xidStatus',
]);

export const isFunctionMutated = (functionName: string): boolean =>
  !isCheck(functionName) && !NOT_OF_REDO.has(functionName);
