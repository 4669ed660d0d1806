/**
 * Which safekeepers keep a branch, as which incarnation of themselves.
 *
 *   M1  A safekeeper is written down, with its incarnation, before it is asked to keep a branch for the first time; the
 *       incarnation that was written first stays.
 *   M2  Once it has said yes, that is written down too: from then on it may have voted, and acknowledged WAL.
 *
 * The safekeeper's half of it: `TimelineCreate` in its contract.
 */
import type { Database } from '../database/database';
import { unavailable } from '../database/unavailable';

export interface TimelineMember {
  readonly safekeeperId: number;
  readonly incarnation: string;
  readonly confirmed: boolean;
}

interface MemberRow {
  readonly safekeeper_id: number;
  readonly incarnation: string;
  readonly confirmed: boolean;
}

export class TimelineMembers {
  constructor(private readonly database: Database) {}

  async of(branchId: string): Promise<readonly TimelineMember[]> {
    const rows = await unavailable(
      this.database.$queryRaw<MemberRow[]>`
        SELECT safekeeper_id, incarnation::TEXT AS incarnation, confirmed FROM timeline_members
        WHERE branch_id = ${branchId}`,
    );
    return rows.map(({ safekeeper_id, incarnation, confirmed }) => ({
      safekeeperId: safekeeper_id,
      incarnation,
      confirmed,
    }));
  }

  async find(branchId: string, safekeeperId: number): Promise<TimelineMember | null> {
    return (await this.of(branchId)).find((member) => member.safekeeperId === safekeeperId) ?? null;
  }

  /** M1. @returns the incarnation that was written first */
  async claim(branchId: string, safekeeperId: number, incarnation: string): Promise<string> {
    await unavailable(this.database.$executeRaw`
      INSERT INTO timeline_members (branch_id, safekeeper_id, incarnation)
      VALUES (${branchId}, ${safekeeperId}, ${incarnation}::UUID) ON CONFLICT DO NOTHING`);
    return (await this.find(branchId, safekeeperId))?.incarnation ?? incarnation;
  }

  /** M2 */
  async confirm(branchId: string, safekeeperId: number): Promise<void> {
    await unavailable(this.database.$executeRaw`
      UPDATE timeline_members SET confirmed = TRUE WHERE branch_id = ${branchId} AND safekeeper_id = ${safekeeperId}`);
  }

  /** Of a branch that was deleted. */
  async forget(branchId: string): Promise<void> {
    await unavailable(this.database.$executeRaw`DELETE FROM timeline_members WHERE branch_id = ${branchId}`);
  }
}
