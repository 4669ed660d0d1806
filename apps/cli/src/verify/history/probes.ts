/** What to compare an indexed column with: for each operator of its operator class, values made from ones in the table. */

/** SQL for a value of the operator's right side, from the sampled value `v` of the indexed column. */
type Probe = (v: string) => string;

const itself: Probe = (v) => v;
const around: Probe = (v) => `box(${v} - point(9, 9), ${v} + point(9, 9))`;
const jsonKey: Probe = (v) =>
  `(SELECT min(key) FROM jsonb_object_keys(CASE jsonb_typeof(${v}) WHEN 'object' THEN ${v} ELSE '{}' END) key)`;

/** Where the two sides of an operator are of different types. */
const BY_TYPES: Readonly<Record<string, readonly Probe[]>> = {
  'anyarray anyarray': [itself, (v) => `${v}[1:1]`],
  'anyrange anyelement': [(v) => `lower(${v})`],
  'anyrange anymultirange': [(v) => `multirange(${v})`],
  'anymultirange anyelement': [(v) => `lower(${v})`],
  'anymultirange anyrange': [(v) => `range_merge(${v})`],
  'point box': [around],
  'point polygon': [(v) => `polygon(${around(v)})`],
  'point circle': [(v) => `circle(${v}, 9)`],
  'box point': [(v) => `center(${v})`],
  'tsvector tsquery': [(v) => `plainto_tsquery('simple', (tsvector_to_array(${v}))[1])`],
  'jsonb text': [jsonKey],
  'jsonb text[]': [(v) => `ARRAY[${jsonKey(v)}]`],
  'jsonb jsonpath': [(v) => `format('$.%s', to_json(${jsonKey(v)}))::jsonpath`],
};

/** Types whose values can be made into each other's; one that does not fit fails the question, with the index and without. */
const CAST_GROUPS: readonly (readonly string[])[] = [
  ['smallint', 'integer', 'bigint'],
  ['real', 'double precision'],
  ['text', 'name', 'character'],
  ['date', 'timestamp without time zone', 'timestamp with time zone'],
];
const SMALLER_THAN: Readonly<Record<string, string>> = { smallint: '2 ^ 15', integer: '2 ^ 31' };

/** @returns nothing when there is no way to make such a value */
export function probesFor(left: string, right: string): readonly Probe[] {
  const special = BY_TYPES[`${left} ${right}`];
  if (special !== undefined) return special;
  if (left === right) return [itself];
  const castable = CAST_GROUPS.some((group) => group.includes(left) && group.includes(right));
  if (!castable) return [];
  const bound = SMALLER_THAN[right];
  return [(v) => `CAST(${bound === undefined ? v : `CASE WHEN abs(${v}) < ${bound} THEN ${v} END`} AS ${right})`];
}
