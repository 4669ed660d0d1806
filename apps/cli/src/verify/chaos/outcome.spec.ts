import { fateOf, sqlstateOf } from './outcome';

const serverError = (code: string): Error => Object.assign(new Error('said by the server'), { code });

it('O1: a transaction whose COMMIT was not sent failed, whatever the error', () => {
  for (const error of [serverError('57P01'), new Error('Connection terminated unexpectedly')])
    expect(fateOf(error, { commitSent: false })).toBe('failed');
});

it.each([
  ['40001', 'failed'],
  ['40P01', 'failed'],
  ['40003', 'in doubt'],
  ['08007', 'in doubt'],
  ['57P01', 'in doubt'],
  ['57014', 'in doubt'],
  ['XX000', 'in doubt'],
] as const)('O2: after COMMIT was sent, %s means %s', (code, fate) => {
  expect(fateOf(serverError(code), { commitSent: true })).toBe(fate);
});

it('O2: a connection lost after COMMIT was sent leaves it in doubt', () => {
  const lost = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  expect(sqlstateOf(lost)).toBeNull();
  expect(fateOf(lost, { commitSent: true })).toBe('in doubt');
});
