export { loadBase } from './load-base';
export { PageStore } from './page-store';
export { verifyRedo, type VerifyRedoOptions } from './verify-redo';
export { formatReport, type PageMismatch, type RecordTypeCount, type RedoReport } from './report';
