import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const sequenceRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('Sequence', record.lsn, 'no redo for Sequence records');
};
