import { probesFor } from './probes';

const made = (left: string, right: string): string[] => probesFor(left, right).map((probe) => probe('v'));

describe('what an indexed column is compared with', () => {
  it('is a value of its own, where the operator takes the same type on both sides', () => {
    expect(made('uuid', 'uuid')).toEqual(['v']);
    expect(made('anyarray', 'anyarray')).toEqual(['v', 'v[1:1]']);
  });

  it('is made from one otherwise, and left out where it would not fit the smaller type', () => {
    expect(made('anyrange', 'anyelement')).toEqual(['lower(v)']);
    expect(made('integer', 'bigint')).toEqual(['CAST(v AS bigint)']);
    expect(made('bigint', 'smallint')).toEqual(['CAST(CASE WHEN abs(v) < 2 ^ 15 THEN v END AS smallint)']);
  });

  it('is nothing where no rule makes one', () => {
    expect(made('inet', 'box')).toEqual([]);
  });
});
