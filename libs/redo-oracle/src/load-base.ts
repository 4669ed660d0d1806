/** A cold data directory as the store that replay begins with. */
import type { ImageCodecs, PostgresMajor } from '@neon/postgres';
import { SLRUS, databaseDirectories, pagesOf, readRelationMap, relationFiles, slruPagesOf } from './data-directory';
import { PageStore, relationMapKey } from './page-store';
import type { Redo } from './redo';

export interface BaseOptions {
  readonly major: PostgresMajor;
  readonly codecs?: ImageCodecs;
  /** What the store applies deltas with. */
  readonly redo?: Pick<Redo, 'applyDelta'> | undefined;
}

export function loadBase(dataDir: string, { major, codecs = {}, redo }: BaseOptions): PageStore {
  const store = new PageStore(major, codecs, redo);
  for (const directory of databaseDirectories(dataDir)) {
    const map = readRelationMap(directory);
    if (map !== null) store.relationMaps.set(relationMapKey(directory), map);
    for (const { path, relation, fork, firstBlock } of relationFiles(directory)) {
      store.ensureFork(relation, fork);
      for (const [index, page] of pagesOf(path))
        store.putCopy({ kind: 'relation', relation, fork, block: firstBlock + index }, page);
    }
  }
  for (const slru of SLRUS)
    for (const [page, content] of slruPagesOf(dataDir, slru)) store.putCopy({ kind: 'slru', slru, page }, content);
  return store;
}
