/** The third oracle of redo: what a fresh compute has at an LSN is what stock Postgres makes of the same WAL. */
import { neon } from './support/system';

it('computes at LSNs in the middle of a workload equal stock servers that replayed the same WAL to the same LSN', async () => {
  const output = await neon('verify', 'history', '--quick');
  expect(output).toMatch(/^[5-9] LSNs, [1-9]\d* relations, [1-9]\d* rows, [1-9]\d* indexes compared, 0 differences$/m);
});
