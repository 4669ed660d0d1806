import { ACCOUNTS, type Fate, OPENING_BALANCE, type Transfer, audit } from './ledger';

const transfer = (id: number): Transfer => ({ id, source: 1, target: 2, amount: 10 });

function books(...transfers: Transfer[]) {
  const balances = new Map(Array.from({ length: ACCOUNTS }, (_, index) => [index + 1, OPENING_BALANCE]));
  for (const { source, target, amount } of transfers) {
    balances.set(source, balances.get(source)! - amount);
    balances.set(target, balances.get(target)! + amount);
  }
  return { transfers, balances };
}
const fates = (...entries: [number, Fate][]): Map<number, Fate> => new Map(entries);

it('books are right with what was acknowledged, with or without what is in doubt, and without what failed', () => {
  const told = fates([1, 'acknowledged'], [2, 'in doubt'], [3, 'failed']);
  expect(audit(books(transfer(1)), told)).toEqual([]);
  expect(audit(books(transfer(1), transfer(2)), told)).toEqual([]);
});

it('L1: an acknowledged transfer that is lost is found', () => {
  expect(audit(books(transfer(1)), fates([1, 'acknowledged'], [2, 'acknowledged']))).toEqual([
    '1 acknowledged transfers are lost: 2',
  ]);
});

it('L1, L2: a transfer that is there twice is found, in doubt or not', () => {
  for (const fate of ['acknowledged', 'in doubt'] as const)
    expect(audit(books(transfer(1), transfer(1)), fates([1, fate]))).toEqual([
      '1 transfers are there more than once: 1',
    ]);
});

it('L2: a transfer that failed for certain, or that nobody made, is found', () => {
  expect(audit(books(transfer(1), transfer(2)), fates([1, 'failed']))).toEqual([
    '1 transfers are there that failed for certain: 1',
    '1 transfers are there that nobody made: 2',
  ]);
});

it('L3: a transfer of which only one half is there is found', () => {
  const { transfers, balances } = books(transfer(1));
  balances.set(2, OPENING_BALANCE);
  expect(audit({ transfers, balances }, fates([1, 'acknowledged']))).toEqual([
    '1 accounts differ from their transfers: 2',
    `the total is ${ACCOUNTS * OPENING_BALANCE - 10}, not ${ACCOUNTS * OPENING_BALANCE}`,
  ]);
});

it('L3: an account that is gone is found', () => {
  const { transfers, balances } = books();
  balances.delete(ACCOUNTS);
  expect(audit({ transfers, balances }, fates())).toHaveLength(2);
});
