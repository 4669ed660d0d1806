import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const hashRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('Hash', record.lsn, 'no redo for Hash records');
};
