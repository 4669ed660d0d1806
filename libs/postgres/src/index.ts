export * from './page';
export * from './protocol';
export * from './wal/record';
export * from './redo/change';
export { redoBlock, type BlockRedo, type BlockRedoContext } from './redo/registry';
