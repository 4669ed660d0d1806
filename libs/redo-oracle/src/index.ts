export { gapsOf, formatMatrix } from './coverage';
export { loadBase } from './load-base';
export type { PageStore } from './page-store';
export { formatReport, type RedoReport } from './report';
export { verifyRedo, type VerifyRedoOptions } from './verify-redo';
