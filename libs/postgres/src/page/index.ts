export { PAGE_HEADER_SIZE, PAGE_SIZE, initPage, pageIsNew, pageIsSane, pageLsn, setPageLsn } from './page-header';
export { fileHides, imageHides, type Difference } from './hidden-state';
export { maskPage } from './mask';
export { maskUnlogged } from './mask-unlogged';
export { type PageKind, pageKindOf, pageKindOfRmgr } from './page-kind';
export {
  HEAP_BLOCKS_PER_MAP_BLOCK,
  VISIBILITY_BITS,
  VisibilityBit,
  clearVisibilityBits,
  visibilityBits,
  visibilityMapBlock,
} from './visibility-map';
