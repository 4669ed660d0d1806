import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from './shimmed-cluster';

test("the shim's own test program passes under the address and undefined-behaviour sanitizers", async () => {
  const { stdout } = await promisify(execFile)(join(REPOSITORY, 'native/test/run.sh'), ['5']);
  expect(stdout).toMatch(/killed \d+ processes/);
  expect(stdout.trim().endsWith('ok')).toBe(true);
});
