/** The second oracle of redo: after a CHECKPOINT, the compute's files and the pageserver agree on every page. */
import { neon } from './support/system';

it('every page of a compute equals the page the pageserver has', async () => {
  const output = await neon('verify', 'pages', '--quick');
  expect(output).toMatch(/ [1-9]\d* pages compared at .*, 0 differences/);
});
