/**
 * Finds, in what a compute sends, that a commit was acknowledged without its quorum.
 *
 *   D1  `endOf` tells where the notice ends with which Postgres says that it gave up the wait for synchronous replication:
 *       what follows is the acknowledgement. Nothing else is ever taken for it, however the bytes come in chunks.
 *   D2  Of any other message only the header is looked at.
 *
 * A wait is given up when it is cancelled, by whatever way the cancel came; the commit is then on the compute alone. The
 * notice is known by the routine that it names, its last field: no user can make one that names this routine.
 */
const HEADER_SIZE = 5;
const NOTICE = 'N'.charCodeAt(0);
/** The end of the notice: the field R, the end of its text, and the end of the fields. */
const SIGN = Uint8Array.from('\0RSyncRepWaitForLSN\0\0', (letter) => letter.charCodeAt(0));

export class CommitDoubt {
  /** The header that the last chunk ended in, as far as it came. */
  private readonly header = new Uint8Array(HEADER_SIZE);
  private headerSize = 0;
  /** Of the message whose header was read last, what has not come yet. */
  private leftBytes = 0;
  private isNotice = false;
  /** The last bytes of a notice, no more than SIGN has. */
  private tail = new Uint8Array(0);

  /** The offset behind the notice in `chunk`, the next piece of the stream; undefined when it does not end there. */
  endOf(chunk: Uint8Array): number | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.leftBytes > 0) {
        const start = at;
        at = Math.min(chunk.length, start + this.leftBytes);
        this.leftBytes -= at - start;
        if (this.isNotice && this.isSign(chunk.subarray(start, at))) return at;
      } else if (this.headerSize === 0 && chunk.length - at >= HEADER_SIZE) {
        this.begin(chunk, at);
        at += HEADER_SIZE;
      } else {
        this.header[this.headerSize++] = chunk[at++] as number;
        if (this.headerSize < HEADER_SIZE) continue;
        this.headerSize = 0;
        this.begin(this.header, 0);
      }
    }
    return undefined;
  }

  private begin(bytes: Uint8Array, at: number): void {
    const high = ((bytes[at + 1] as number) << 24) | ((bytes[at + 2] as number) << 16);
    const length = (high | ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number)) >>> 0;
    // The length counts itself.
    this.leftBytes = Math.max(0, length - 4);
    this.isNotice = bytes[at] === NOTICE;
    if (this.isNotice) this.tail = new Uint8Array(0);
  }

  private isSign(piece: Uint8Array): boolean {
    const joined = new Uint8Array(this.tail.length + piece.length);
    joined.set(this.tail);
    joined.set(piece, this.tail.length);
    this.tail = joined.slice(-SIGN.length);
    return this.leftBytes === 0 && this.tail.length === SIGN.length && this.tail.every((byte, i) => byte === SIGN[i]);
  }
}
