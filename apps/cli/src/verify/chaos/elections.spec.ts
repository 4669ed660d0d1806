import { type Seen, judgeElection } from './elections';

const terms = (members: readonly number[], others: readonly number[] = []): Map<string, Seen> =>
  new Map([
    ...members.map((term, index): [string, Seen] => [`member ${index}`, { term, isMember: true }]),
    ...others.map((term, index): [string, Seen] => [`other ${index}`, { term, isMember: false }]),
  ]);

it('a majority of the members voted, and no former member', () => {
  expect(judgeElection(terms([4, 4, 4], [2, 5]), terms([5, 5, 4], [4, 5]))).toEqual([]);
});

it('a former member that voted is found', () => {
  expect(judgeElection(terms([4, 4, 4], [3, 4]), terms([5, 5, 5], [3, 5]))).toEqual([
    'other 1 voted, and is no member',
  ]);
});

it('an election that was none is found', () => {
  expect(judgeElection(terms([4, 4, 4]), terms([5, 4, 4]))).toEqual(['1 of 3 members voted for a compute']);
});
