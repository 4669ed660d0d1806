/** Mutants of code that serves some majors alone, by the ones that it does not serve: a run of all majors catches them. */
import type { Entry } from './listed';

export const OTHER_MAJORS: readonly Entry[] = [
  {
    reason: 'Since 17 pruning, vacuum and freezing write one record.',
    majors: [14, 15, 16],
    mutants: [
      'redo/heap-prune.ts redoPruneFreeze: *',
      'redo/heap-prune.ts BlockDataCursor.u16: *',
      'redo/heap-prune.ts BlockDataCursor.counted: *',
      'page/bufpage.ts repairFragmentation: INVALID_OFFSET_NUMBER [one more]',
      'redo/heap2.ts heap2Redo: heapPruneIsUnified ? redoPruneFreeze(context, page) : redoPruneBefore17(context, page) [never: heapPruneIsUnified]',
      'redo/heap2.ts heap2Redo: heapPruneIsUnified ? redoPruneFreeze(context, page) : redoVacuumBefore17(context, page) [never: heapPruneIsUnified]',
      'redo/heap2.ts heap2Redo: heapPruneIsUnified ? redoPruneFreeze(context, page) : redoFreezeBefore17(context, page) [never: heapPruneIsUnified]',
    ],
  },
  {
    reason: 'Before 17 pruning, vacuum and freezing were records of their own.',
    majors: [17, 18],
    mutants: [
      'redo/heap-prune.ts redoPruneBefore17: *',
      'redo/heap-prune.ts redoVacuumBefore17: *',
      'redo/heap-prune.ts redoFreezeBefore17: *',
      'redo/heap-prune.ts BlockDataCursor.shortsLeft: *',
      'redo/heap2.ts heap2Redo: heapPruneIsUnified ? redoPruneFreeze(context, page) : redoPruneBefore17(context, page) [always: heapPruneIsUnified]',
      'redo/heap2.ts heap2Redo: heapPruneIsUnified ? redoPruneFreeze(context, page) : redoVacuumBefore17(context, page) [always: heapPruneIsUnified]',
      'redo/heap2.ts heap2Redo: heapPruneIsUnified ? redoPruneFreeze(context, page) : redoFreezeBefore17(context, page) [always: heapPruneIsUnified]',
    ],
  },
  {
    reason: 'Before 16 each frozen tuple is named by itself.',
    majors: [16, 17, 18],
    mutants: [
      'redo/heap-prune.ts readTuplePlans: *',
      "redo/heap-prune.ts redoFreezeBefore17: versionOf(record.major).freezePageLists === 'plans' ? readPlans(record, cursor, { at, count }) : readTuplePlans(record, { at, count }) [always: versionOf(record.major).freezePageLists === 'plans']",
    ],
  },
  {
    reason: 'Since 16 frozen tuples are named by the plan that they share.',
    majors: [14, 15],
    mutants: [
      'redo/heap-prune.ts readPlans: *',
      "redo/heap-prune.ts redoFreezeBefore17: versionOf(record.major).freezePageLists === 'plans' ? readPlans(record, cursor, { at, count }) : readTuplePlans(record, { at, count }) [never: versionOf(record.major).freezePageLists === 'plans']",
    ],
  },
  {
    reason: 'In 14 pruning leaves the array of line pointers as long as it is.',
    majors: [14],
    mutants: [
      'page/bufpage.ts repairFragmentation: !itemIsUsed(pointer) [never: !itemIsUsed(pointer)]',
      'page/bufpage.ts repairFragmentation: 1 [one more]',
      'page/bufpage.ts repairFragmentation: index + 1 [+ to -]',
      'page/bufpage.ts repairFragmentation: lastUsed = index + 1 [removed]',
      'page/bufpage.ts repairFragmentation: lastUsed !== lineCount [!== to ===]',
      'page/bufpage.ts repairFragmentation: truncates && lastUsed !== lineCount [never: truncates && lastUsed !== lineCount]',
      'page/bufpage.ts repairFragmentation: LINE_POINTER_SIZE [one more]',
      'page/bufpage.ts repairFragmentation: (lineCount - lastUsed) * LINE_POINTER_SIZE [* to +]',
      'page/bufpage.ts repairFragmentation: lower - (lineCount - lastUsed) * LINE_POINTER_SIZE [- to +]',
      'page/bufpage.ts repairFragmentation: setPageLower(page, lower - (lineCount - lastUsed) * LINE_POINTER_SIZE) [removed]',
    ],
  },
  {
    reason: 'Since 15 pruning shortens the array of line pointers.',
    majors: [15, 16, 17, 18],
    mutants: [
      'page/bufpage.ts repairFragmentation: truncates && lastUsed !== lineCount [&& to ||]',
      'page/bufpage.ts repairFragmentation: truncates && lastUsed !== lineCount [always: truncates && lastUsed !== lineCount]',
    ],
  },
  {
    reason: 'In 14 databases are copied as files, and no statistics are dropped.',
    majors: [14],
    mutants: [
      'redo/dbase.ts databaseChanges: CREATE_WAL_LOG [one more]',
      'redo/dbase.ts databaseChanges: operation === CREATE_WAL_LOG *',
      "redo/dbase.ts databaseChanges: changes.push({ kind: 'database-create', tablespaceOid: reader.u32(), databaseOid, copyOf: null }) [removed]",
      'redo/transaction-record.ts parseTransactionEnd: reader.u32() * versionOf(record.major).droppedStatsSize [* to +]',
      'redo/transaction-record.ts parseTransactionEnd: reader.skip(reader.u32() * versionOf(record.major).droppedStatsSize) [removed]',
    ],
  },
  {
    reason: 'Before 17 a page of a hash bucket got its LSN even when it did not change.',
    majors: [14, 15, 16],
    mutants: ['redo/hash-tuples.ts redoSqueezeTarget: tupleCount > 0 || isNeighbour [|| to &&]'],
  },
  {
    reason: 'Since 17 page numbers of SLRUs have eight bytes.',
    majors: [17, 18],
    mutants: [
      'redo/slru.ts readSlruPage: 4 [one more]',
      'redo/slru.ts readSlruPage: versionOf(record.major).slruPageNumberSize === 4 [=== to !==]',
      'redo/slru.ts readSlruPage: versionOf(record.major).slruPageNumberSize === 4 ? reader.u32() : reader.i64() [never: versionOf(record.major).slruPageNumberSize === 4]',
    ],
  },
];
