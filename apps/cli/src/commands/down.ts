/** `./neon down` and `./neon reset`. */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { openInstallation } from '../installation';
import { openHome } from '../home';
import { CommandFailure, say, step } from '../progress';
import { stop } from '../stack/processes';

/** Stops every service, clients first. Data stays. */
export async function down(): Promise<void> {
  const { home, services } = await openInstallation();
  for (const service of [...services].reverse()) {
    await step(`stopping ${service.name}`, () => stop(home, service.name, service.stopSignal));
  }
}

/** Stops everything and deletes all data of this installation. */
export async function reset({ yes }: { yes: boolean }): Promise<void> {
  const { directory } = openHome();
  if (!yes) {
    if (!process.stdin.isTTY)
      throw new CommandFailure('this deletes every project: say --yes when nobody is there to be asked');
    const prompt = createInterface({ input: process.stdin, output: process.stdout });
    const answer = await prompt.question(`Delete all projects and data in ${directory}? Type "yes": `);
    prompt.close();
    if (answer.trim() !== 'yes') throw new CommandFailure('nothing was deleted');
  }
  await down();
  rmSync(directory, { recursive: true, force: true });
  say(`${directory} is gone.`);
}
