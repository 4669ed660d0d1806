/** WAL that cannot be applied stops its own timeline, says which record and where, and leaves everybody else alone. */
import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withAdmin } from './support/admin';
import { type Branch, createProject, deleteProject, suspend } from './support/project';
import { api, connect, dataDirectoryOf, query, until } from './support/system';

let project: Branch;
let other: Branch;
let tablespace: string;

beforeAll(async () => {
  [project, other] = [await createProject('stopped'), await createProject('bystander')];
  tablespace = mkdtempSync(join(tmpdir(), 'neon-tablespace-'));
  const { uid, gid } = statSync(dataDirectoryOf(project.endpointId));
  chownSync(tablespace, uid, gid);
});
afterAll(async () => {
  rmSync(tablespace, { recursive: true, force: true });
  await deleteProject(project);
  await deleteProject(other);
});

it('the client and the API are told the record and its LSN, and other projects go on', async () => {
  await query(project.uri, 'CREATE TABLE before AS SELECT 1 AS n');
  await withAdmin(project, (client) => client.query(`CREATE TABLESPACE elsewhere LOCATION '${tablespace}'`));
  await suspend(project);
  const unapplied = /Tablespace\/CREATE.*[0-9A-F]+\/[0-9A-F]+/;
  await expect(connect(project.uri)).rejects.toThrow(unapplied);
  const { projectId } = project;
  await until('the API says why', async () => {
    const { operations } = (await (await api()).listProjectOperations({ projectId, limit: 20 })).data;
    return operations.some(({ status, error }) => status === 'failed' && unapplied.test(error ?? ''));
  });
  expect(await query(other.uri, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});
