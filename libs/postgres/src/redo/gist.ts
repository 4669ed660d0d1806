import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const gistRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('Gist', record.lsn, 'no redo for Gist records');
};
