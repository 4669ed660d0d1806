import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const genericRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('Generic', record.lsn, 'no redo for Generic records');
};
