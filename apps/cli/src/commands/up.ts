/** `./neon up`: everything from a clone to a working psql line. */
import { build } from '../build';
import { openHome } from '../home';
import type { Installation } from '../installation';
import { ensurePrerequisites } from '../prerequisites';
import { bold, say, step } from '../progress';
import { type StartOptions, startWithFreePorts } from '../startup';

export type UpOptions = StartOptions;

export async function up(options: UpOptions): Promise<void> {
  const missing = await ensurePrerequisites();
  const home = openHome();
  await build(home.checkout);
  const installation = await startWithFreePorts({ home }, options);
  await ensureFirstProject(installation);
  await printConnections(installation, { namesResolve: !missing.includes('libnss-myhostname') });
}

async function ensureFirstProject({ api }: Installation): Promise<void> {
  if ((await api.projects()).length > 0) return;
  await step('creating the first project', () => api.createProject('first'));
}

async function printConnections(
  { api, stack, caFile, apiKey, home }: Installation,
  { namesResolve }: { namesResolve: boolean },
): Promise<void> {
  const [project] = await api.projects();
  if (project === undefined) return;
  const uri = await api.connectionUri(project.id);
  say();
  say(`${bold('Connect')}   ${namesResolve ? '' : 'PGHOSTADDR=127.0.0.1 '}psql '${uri}'`);
  say(`${bold('API')}       ${api.baseUrl}`);
  say(`${bold('API key')}   in ${stack.secrets.apiKeyFile}${apiKey === '' ? ' (empty!)' : ''}`);
  say(`${bold('CA')}        ${caFile} (for sslmode=verify-full)`);
  say(`${bold('Data')}      ${home.directory}`);
  say();
  say('./neon status shows what runs, ./neon psql opens a shell, ./neon down stops everything.');
}
