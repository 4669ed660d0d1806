import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const brinRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('BRIN', record.lsn, 'no redo for BRIN records');
};
