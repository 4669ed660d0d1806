import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const heapRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('Heap', record.lsn, 'no redo for Heap records');
};
