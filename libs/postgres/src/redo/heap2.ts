import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const heap2Redo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('Heap2', record.lsn, 'no redo for Heap2 records');
};
