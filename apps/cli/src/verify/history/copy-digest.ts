/** `COPY … TO STDOUT` as a digest of its bytes, or as its lines: a query for `Client.query`. */
import { type Hash, createHash } from 'node:crypto';
import type { Client, Connection, Submittable } from 'pg';

export interface CopyDigest {
  readonly rowCount: number;
  readonly byteCount: number;
  readonly sha256: string;
}

class CopyQuery implements Submittable {
  rowCount = 0;
  byteCount = 0;
  readonly hash: Hash = createHash('sha256');
  private failure: Error | undefined;

  constructor(
    private readonly text: string,
    private readonly onRow: (line: Buffer) => void,
    private readonly onEnd: (failure: Error | undefined) => void,
  ) {}

  submit = (connection: Connection): void => connection.query(this.text);

  /** Postgres sends one message a row. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    this.rowCount += 1;
    this.byteCount += chunk.length;
    this.hash.update(chunk);
    this.onRow(chunk);
  }

  handleCommandComplete(): void {
    // The end is when the server is ready again.
  }

  handleError(error: Error): void {
    this.failure = error;
    this.onEnd(error);
  }

  handleReadyForQuery(): void {
    if (this.failure === undefined) this.onEnd(undefined);
  }
}

/** @throws DatabaseError */
export function digestOf(
  client: Client,
  query: string,
  onRow: (line: Buffer) => void = () => undefined,
): Promise<CopyDigest> {
  return new Promise((resolve, reject) => {
    const copy: CopyQuery = new CopyQuery(`COPY (${query}) TO STDOUT`, onRow, (failure) => {
      if (failure !== undefined) reject(failure);
      else resolve({ rowCount: copy.rowCount, byteCount: copy.byteCount, sha256: copy.hash.digest('hex') });
    });
    client.query(copy);
  });
}
