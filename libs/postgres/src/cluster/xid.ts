/**
 * Transaction ids: 32 bits that go round, and their full form, which counts the rounds (FullTransactionId).
 *
 *   X1  Of two 32-bit ids, the one at most 2^31 ahead follows; the three special ids are never assigned.
 */
const EPOCH = 0x1_0000_0000;
const FIRST_NORMAL_XID = 3;

/** Whether `xid` comes before `other`, going round: for transaction ids, multixact ids and member offsets alike. */
export const precedes = (xid: number, other: number): boolean => ((xid - other) | 0) < 0;

export const FullXid = {
  xid: (fullXid: number): number => fullXid % EPOCH,
  epoch: (fullXid: number): number => Math.floor(fullXid / EPOCH),

  /** The full form of an `xid` that was assigned before `nextFullXid`. */
  before(nextFullXid: number, xid: number): number {
    const ofThisEpoch = FullXid.epoch(nextFullXid) * EPOCH + xid;
    return ofThisEpoch > nextFullXid ? ofThisEpoch - EPOCH : ofThisEpoch;
  },

  /** `nextFullXid`, or the first multiple of `step` beyond `xid` when that is not before it. */
  advancedPast(nextFullXid: number, xid: number, step: number): number {
    const ahead = (xid - FullXid.xid(nextFullXid)) | 0;
    if (ahead < 0) return nextFullXid;
    const next = Math.ceil((nextFullXid + ahead + 1) / step) * step;
    return FullXid.xid(next) < FIRST_NORMAL_XID ? next - FullXid.xid(next) + FIRST_NORMAL_XID : next;
  },
};
