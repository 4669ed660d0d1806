/**
 * Does a bank's ledger hold what its clients were told?
 *
 *   L1  A transfer that was acknowledged is there, once.
 *   L2  One that failed for certain is not; nor is one that nobody asked for. One in doubt is there once, or not.
 *   L3  Each balance is what the transfers make it, and so the total never changes.
 */
export type Fate = 'acknowledged' | 'failed' | 'in doubt';

export interface Transfer {
  readonly id: number;
  readonly source: number;
  readonly target: number;
  readonly amount: number;
}

export interface Books {
  readonly transfers: readonly Transfer[];
  /** By account. */
  readonly balances: ReadonlyMap<number, number>;
}

export const ACCOUNTS = 64;
export const OPENING_BALANCE = 1_000;

/** @returns what is wrong */
export function audit({ transfers, balances }: Books, fates: ReadonlyMap<number, Fate>): string[] {
  const seen = new Map<number, number>();
  for (const { id } of transfers) seen.set(id, (seen.get(id) ?? 0) + 1);
  const lost = [...fates].flatMap(([id, fate]) => (fate === 'acknowledged' && !seen.has(id) ? [id] : []));
  const failed = [...seen.keys()].filter((id) => fates.get(id) === 'failed');
  const unknown = [...seen.keys()].filter((id) => !fates.has(id));
  const repeated = [...seen].flatMap(([id, count]) => (count > 1 ? [id] : []));
  const problems = [
    ...told(lost, 'acknowledged transfers are lost'),
    ...told(repeated, 'transfers are there more than once'),
    ...told(failed, 'transfers are there that failed for certain'),
    ...told(unknown, 'transfers are there that nobody made'),
  ];
  const due = new Map(Array.from({ length: ACCOUNTS }, (_, index) => [index + 1, OPENING_BALANCE]));
  for (const { source, target, amount } of transfers) {
    due.set(source, (due.get(source) ?? 0) - amount);
    due.set(target, (due.get(target) ?? 0) + amount);
  }
  const wrong = [...due].filter(([account, balance]) => balances.get(account) !== balance).map(([account]) => account);
  problems.push(...told(wrong, 'accounts differ from their transfers'));
  const total = [...balances.values()].reduce((sum, balance) => sum + balance, 0);
  if (total !== ACCOUNTS * OPENING_BALANCE) problems.push(`the total is ${total}, not ${ACCOUNTS * OPENING_BALANCE}`);
  return problems;
}

const SHOWN = 5;
const told = (ids: readonly number[], what: string): string[] =>
  ids.length === 0
    ? []
    : [`${ids.length} ${what}: ${ids.slice(0, SHOWN).join(', ')}${ids.length > SHOWN ? ', …' : ''}`];
