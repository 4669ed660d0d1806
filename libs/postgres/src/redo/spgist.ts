import { UnsupportedRecord } from './change';
import type { BlockRedo } from './registry';

export const spgistRedo: BlockRedo = ({ record }) => {
  throw new UnsupportedRecord('SPGist', record.lsn, 'no redo for SPGist records');
};
