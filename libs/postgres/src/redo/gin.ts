import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const ginRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('Gin', record.lsn, 'no redo for Gin records');
};
