import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const nbtreeRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('Btree', record.lsn, 'no redo for Btree records');
};
