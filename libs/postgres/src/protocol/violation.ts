/** The peer sent bytes that the protocol does not allow. `sqlState` is what Postgres itself would answer with. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
  constructor(
    message: string,
    readonly sqlState: string = '08P01',
  ) {
    super(message);
  }
}
