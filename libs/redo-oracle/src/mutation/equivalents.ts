/** Mutants that cannot be told from redo by anything that Postgres promises, by the reason why. */
import type { Entry } from './listed';

export const EQUIVALENTS: readonly Entry[] = [
  {
    reason: 'The item that begins there is the one that is removed or replaced; no two begin at one place.',
    mutants: [
      'page/bufpage.ts repairFragmentation: offset >= previous [>= to >]',
      'page/index-page.ts deleteIndexTuples: previous > offset [> to >=]',
      'page/index-page.ts shiftItems: itemOffset(pointer) <= upTo [<= to <]',
    ],
  },
  {
    reason: 'Pointers are read as far as their page and their array go; those of the count are looked at.',
    mutants: [
      'page/pointer-array.ts readPointers: PAGE_HEADER_SIZE [one more] #2',
      'page/pointer-array.ts readPointers: LINE_POINTER_SIZE [one more]',
    ],
  },
  {
    reason: 'Both ways lead to the same: a shortcut past what would do nothing.',
    mutants: [
      'page/bufpage.ts addItem: shifted > 0 [> to >=]',
      'page/bufpage.ts addItem: shifted > 0 [always: shifted > 0]',
      'page/compaction.ts compactTuples: index < count [loop never entered]',
      'page/compaction.ts compactTuples: upper !== endOf(pointer) [always: upper !== endOf(pointer)]',
      'page/compaction.ts compactTuples: index === count [never: index === count]',
      'page/index-page.ts overwriteIndexTuple: 0 [one more]',
      'page/index-page.ts overwriteIndexTuple: shift !== 0 [always: shift !== 0]',
      'page/index-page.ts closeGap: !pageIsEmpty(page) [always: !pageIsEmpty(page)]',
      'page/page-header.ts pageIsEmpty: [body removed]',
      'page/page-header.ts pageIsEmpty: PAGE_HEADER_SIZE [one more]',
      'page/page-header.ts pageIsEmpty: readU16(page, AT.lower) <= PAGE_HEADER_SIZE [<= to <]',
      'page/spgist-page.ts replaceByRemains: offsetNumbers.length === 0 [never: offsetNumbers.length === 0]',
      'redo/changes.ts unwrittenChangesOf: changes.length === 0 [never: changes.length === 0]',
      'redo/clog.ts statusChanges: subxids.length === 0 [never: subxids.length === 0]',
      'redo/hash-tuples.ts deleteListed: deleted.length > 0 [> to >=]',
      'redo/hash-tuples.ts deleteListed: deleted.length > 0 [always: deleted.length > 0]',
      'redo/hash-tuples.ts redoSqueezeTarget: tupleCount > 0 [> to >=]',
      'redo/hash-tuples.ts redoSqueezeTarget: tupleCount > 0 [always: tupleCount > 0]',
      'redo/heap-prune.ts readPlans: count === 0 [never: count === 0]',
      'redo/nbtree-delete.ts deleteAndUpdate: deleted.length > 0 [> to >=]',
      'redo/nbtree-delete.ts deleteAndUpdate: deleted.length > 0 [always: deleted.length > 0]',
      'redo/record-data.ts findBlock: block?.id === id ? block : blocks.find((each) => each.id === id) [never: block?.id === id]',
      'redo/visibility-map.ts visibilityChanges: flags & (FIRST_CLEARED | UPDATE_NEW_CLEARED) [& to |]',
      'redo/visibility-map.ts visibilityChanges: (flags & (FIRST_CLEARED | UPDATE_NEW_CLEARED)) === 0 [never: (flags & (FIRST_CLEARED | UPDATE_NEW_CLEARED)) === 0]',
    ],
  },
  {
    reason: 'Pieces are copied in one of two ways, by what costs less, or by order; they end up in the same place.',
    mutants: [
      'page/bufpage.ts copyPiece: LOOP_SIZE_MAX [one more]',
      'page/bufpage.ts copyPiece: length > LOOP_SIZE_MAX [> to >=]',
      'page/bufpage.ts copyPiece: length > LOOP_SIZE_MAX [always: length > LOOP_SIZE_MAX]',
      'page/bufpage.ts copyPiece: length > LOOP_SIZE_MAX [never: length > LOOP_SIZE_MAX]',
      'page/bufpage.ts repairFragmentation: true [true to false] #2',
      'page/bufpage.ts repairFragmentation: offset >= previous [always: offset >= previous]',
      'page/compaction.ts compactTuples: !sorted [always: !sorted]',
      'page/compaction.ts compactTuples: runStart !== end [always: runStart !== end]',
      'page/index-page.ts deleteIndexTuples: true [true to false]',
      'page/index-page.ts deleteIndexTuples: previous > offset [never: previous > offset]',
    ],
  },
  {
    reason: 'A field at distance 0 of its structure.',
    mutants: [
      'page/gin-page.ts setGinRightLink: pageSpecial(page) + AT.rightLink [+ to -]',
      'page/gist-page.ts setGistNsn: pageSpecial(page) + AT.nsn [+ to -]',
      'page/gist-page.ts setGistNsn: pageSpecial(page) + AT.nsn [+ to -] #2',
      'page/hash-page.ts setHashPrevious: pageSpecial(page) + AT.previous [+ to -]',
      'page/hash-page.ts initHashPage: special + AT.previous [+ to -]',
      'page/heap-tuple.ts setTupleXmin: at + AT.xmin [+ to -]',
      'page/nbtree-page.ts setBtreePrevious: pageSpecial(page) + AT.prev [+ to -]',
      'page/nbtree-page.ts initBtreePage: special + AT.prev [+ to -]',
      'page/spgist-page.ts initSpgistPage: pageSpecial(page) + AT.flags [+ to -]',
    ],
  },
  {
    reason: 'The type that it is stored in keeps the low bits of a number, which are the same.',
    mutants: [
      'page/gin-posting-list.ts encodeSegment: difference % 128 [without %]',
      'page/gist-page.ts setGistNsn: nsn % WORD [without %]',
      'redo/commit-ts.ts timestampChanges: 64 [one more]',
    ],
  },
  {
    reason:
      'Room that is longer by some bytes than what is read of it; seven are to spare, for the first tuple id takes none.',
    mutants: [
      'page/gin-posting-list.ts encodeSegment: SEGMENT_HEADER_SIZE [one more]',
      'page/gin-posting-list.ts encodeSegment: DIFFERENCE_BYTES_MAX [one more]',
      'page/gin-posting-list.ts encodeSegment: 1 [one more]',
      'page/gin-posting-list.ts encodeSegment: SEGMENT_HEADER_SIZE + tids.length * DIFFERENCE_BYTES_MAX + 1 [+ to -]',
    ],
  },
  {
    reason: 'Room that is longer by a byte, which nothing reads.',
    mutants: [
      'page/spgist-page.ts deadTuple: DEAD_TUPLE_SIZE [one more]',
      'redo/multixact.ts memberChanges: MEMBERS_AT [one more]',
      'redo/visibility-map.ts mapTruncation: 3 [one more]',
    ],
  },
  {
    reason:
      'A turn more than there is room for: what is written beyond an array is lost, and no number equals what is read there.',
    mutants: [
      'page/index-page.ts deleteIndexTuples: deleted < offsetNumbers.length [< to <=]',
      'page/index-page.ts shiftItems: index < lineCount [< to <=]',
      'page/nbtree-posting.ts removeFromPosting: removedIndex < removed.length [< to <=]',
      'redo/clog.ts statusChange: i < entries.length [< to <=]',
      'redo/multixact.ts memberChanges: k < count [< to <=]',
      'redo/record-data.ts readU16Array: i < count [< to <=]',
      'wal/main-data.ts MainDataReader.u32s: i < count [< to <=]',
    ],
  },
  {
    reason: 'The loop ends when there is no room for more heap tids, before its bound.',
    mutants: [
      'page/nbtree-posting.ts removeFromPosting: tids.length / ITEM_POINTER_SIZE [/ to *]',
      'page/nbtree-posting.ts removeFromPosting: index < count [< to <=]',
    ],
  },
  {
    reason: 'A copy ends where its target does.',
    mutants: ['page/nbtree-posting.ts swapPosting: tids.length - ITEM_POINTER_SIZE [- to +] #2'],
  },
  {
    reason: 'A byte that is not there is undefined, and has no flags.',
    mutants: [
      'redo/visibility-map.ts visibilityChanges: flagsAt >= record.mainLength [>= to >]',
      'redo/visibility-map.ts visibilityChanges: flagsAt === undefined || flagsAt >= record.mainLength [|| to &&]',
      'redo/visibility-map.ts visibilityChanges: flagsAt === undefined || flagsAt >= record.mainLength [never: flagsAt === undefined || flagsAt >= record.mainLength]',
    ],
  },
  {
    reason: 'No index has a single bucket, and one is the first power of two.',
    mutants: [
      'page/hash-page.ts splitpointOf: bucketCount <= 1 [<= to <]',
      'page/hash-page.ts splitpointOf: 0 [one more]',
      'page/hash-page.ts splitpointOf: bucketCount <= 1 ? 0 : 32 - Math.clz32(bucketCount - 1) [never: bucketCount <= 1]',
    ],
  },
  {
    reason: 'The smallest and the largest count of buckets are what the formula comes to as well.',
    mutants: [
      'page/hash-page.ts initialBuckets: wanted <= 2 [<= to <]',
      'page/hash-page.ts initialBuckets: 0x4000_0000 [one more]',
      'page/hash-page.ts initialBuckets: wanted >= 0x4000_0000 [>= to >]',
    ],
  },
  {
    reason: 'The numbers are congruent: 20 is a multiple of the four phases of a splitpoint.',
    mutants: ['page/hash-page.ts bucketsUpTo: splitpoint - SINGLE_PHASE_GROUPS [- to +] #2'],
  },
  {
    reason:
      'Of three items or more that are deleted each takes room: what is left cannot fill the page to the last byte.',
    mutants: ['page/index-page.ts deleteIndexTuples: 0 [one more] #3'],
  },
  {
    reason: 'The page was initialized a line before: without that flag, and empty.',
    mutants: [
      'page/nbtree-page.ts setBtreeDeleted: BtreeFlag.HALF_DEAD [bits left out]',
      'page/nbtree-page.ts setBtreeDeleted: setPageUpper(page, pageSpecial(page)) [removed]',
    ],
  },
  {
    reason: 'What does not fit is refused by the next line, whatever was read of it.',
    mutants: [
      'page/spgist-page.ts leafTuple: at + LEAF_HEADER_SIZE [+ to -]',
      'page/spgist-page.ts leafTuple: 0 [one more]',
      'page/spgist-page.ts leafTuple: at + LEAF_HEADER_SIZE <= end ? readU32(bytes, at) >>> 2 : 0 [always: at + LEAF_HEADER_SIZE <= end]',
      'page/spgist-page.ts innerTuple: at + INNER_HEADER_SIZE [+ to -]',
      'page/spgist-page.ts innerTuple: 0 [one more]',
      'page/spgist-page.ts innerTuple: at + INNER_HEADER_SIZE <= end ? readU16(bytes, at + 4) : 0 [always: at + INNER_HEADER_SIZE <= end]',
      'redo/heap2.ts storedTupleEnd: bodyAt > block.dataLength ? Infinity : bodyAt + readU16(record.bytes, block.dataOffset + start) [never: bodyAt > block.dataLength]',
    ],
  },
  {
    reason: 'Every field is set before it is first read.',
    mutants: [
      'redo/heap2.ts redoMultiInsert: 0 [one more] #3',
      'redo/heap2.ts redoMultiInsert: 0 [one more] #4',
      'redo/heap2.ts redoMultiInsert: 0 [one more] #5',
    ],
  },
  {
    reason: 'A delta that is no longer than its header is Corrupt, by what it says or by the record that it lacks.',
    mutants: [
      'redo/record-delta.ts applyRecordDelta: HEADER_SIZE [one more]',
      'redo/record-delta.ts applyRecordDelta: delta.length < HEADER_SIZE [< to <=]',
      'redo/record-delta.ts applyRecordDelta: delta.length < HEADER_SIZE ? Infinity : readU32(delta, AT.distance) [never: delta.length < HEADER_SIZE]',
    ],
  },
  {
    reason: 'Who asks for a codec finds undefined either way.',
    mutants: [
      'redo/record-delta.ts applyRecordDelta: zstd === undefined ? { walLogHints } : { walLogHints, zstd } [never: zstd === undefined]',
    ],
  },
  {
    reason: 'The redo that goes on after the image sets the LSN itself.',
    mutants: ['redo/record-delta.ts redoOnPage: stampRestoredPage(page, endLsn) [removed]'],
  },
  {
    reason: 'Only redirects have a target and an xid; of other remains these are nothing, and not looked at.',
    mutants: [
      'page/spgist-page.ts remains: 0 [one more]',
      'page/spgist-page.ts deadTuple: isRedirect ? target : NO_TUPLE [always: isRedirect]',
      'page/spgist-page.ts deadTuple: isRedirect ? redirectXid : 0 [always: isRedirect]',
    ],
  },
  {
    reason: 'The placeholder’s state has all the bits that are cleared.',
    mutants: ['page/spgist-page.ts forgetRedirect: 3 [bits left out]'],
  },
  {
    reason: 'The place of plans, of which there are none.',
    mutants: ['redo/heap-prune.ts redoPruneFreeze: 0 [one more]'],
  },
  {
    reason: 'The xid that is remembered anew is the one that was.',
    mutants: [
      'redo/heap-tuple-redo.ts xidPrecedes: left < right [< to <=]',
      'redo/heap-tuple-redo.ts xidPrecedes: 0 [one more] #2',
      'redo/heap-tuple-redo.ts xidPrecedes: ((left - right) | 0) < 0 [< to <=]',
    ],
  },
  {
    reason: 'The last bit says nothing of a difference’s sign.',
    mutants: ['redo/heap-tuple-redo.ts xidPrecedes: 0 [one more]'],
  },
  {
    reason: 'Null bitmap and what differs lie one behind the other, and are copied in one piece or in two.',
    mutants: [
      'redo/heap-update.ts copyBody: 0 [one more] #2',
      'redo/heap-update.ts copyBody: prefixLength === 0 ? 0 : tupleHeaderLength(page, bodyAt - HEAP_TUPLE_HEADER_SIZE) - HEAP_TUPLE_HEADER_SIZE [never: prefixLength === 0]',
    ],
  },
  {
    reason: 'A run that is merged has two items at least.',
    mutants: ['redo/nbtree-dedup.ts redoBtreeDedup: 1 [one more]'],
  },
  {
    reason: 'At least one position follows each count, and is not looked at.',
    mutants: ['redo/nbtree-delete.ts deleteAndUpdate: 1 [one more]'],
  },
  {
    reason: 'Both sizes are aligned to eight.',
    mutants: ['redo/sequence.ts sequenceRedo: 4 [one more]'],
  },
  {
    reason: 'Any number but 0 selects block 1.',
    mutants: ['redo/spgist-pick-split.ts redoPickSplit: 1 [one more]'],
  },
  {
    reason: 'The two fields adjoin in every major.',
    mutants: ['redo/transaction-record.ts parsePrepare: reader.skip(originAt - gidLengthAt - 2) [removed]'],
  },
];
