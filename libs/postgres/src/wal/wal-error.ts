/** WAL bytes that are not what they must be, with the LSN at which that shows. */
import { Corrupt, Lsn } from '@neon/kernel';

export type WalErrorReason =
  /** Zeros where a record would begin: in a segment file, the WAL ends here. */
  | 'end-of-wal'
  | 'page-header'
  | 'record-length'
  | 'resource-manager'
  | 'previous-link'
  | 'continuation'
  | 'checksum'
  /** Block headers or data do not add up. */
  | 'record-content'
  | 'image'
  /** An image compressed by a method we have no decoder for. */
  | 'image-compression';

export class WalError extends Corrupt {
  constructor(
    readonly reason: WalErrorReason,
    readonly lsn: Lsn,
    message: string,
  ) {
    super(`WAL at ${Lsn.format(lsn)}: ${message}`);
  }
}
