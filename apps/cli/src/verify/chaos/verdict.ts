/** After a round: what clients were told, beside what there is. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Home, folder } from '../../home';
import { type Session, readBooks } from './bank';
import type { Clients } from './clients';
import type { Figures } from './figures';
import { type Books, type Fate, audit } from './ledger';
import { judgePlainReads } from './plain-reads';
import { checkRegister } from './register-history';

/** @returns what is wrong */
export async function auditRound(session: Session, clients: Clients, figures: Figures): Promise<string[]> {
  const problems: string[] = [];
  for (const [key, history] of clients.histories) {
    const invokedAt = clients.now();
    history.push({ kind: 'read', value: await session.read(key), invokedAt, respondedAt: clients.now() });
    problems.push(...checkRegister(history).map((problem) => `register ${key}: ${problem}`));
  }
  const plain = judgePlainReads(clients.histories, clients.plainReads);
  figures.staleReads += plain.staleCount;
  const books = await readBooks(session);
  problems.push(...plain.problems, ...audit(books, clients.fates));
  settleDoubts(clients.fates, books);
  return problems;
}

/** Nobody works on it any more: what was in doubt and is there must stay, and what is not there must not come. */
function settleDoubts(fates: Map<number, Fate>, { transfers }: Books): void {
  const present = new Set(transfers.map(({ id }) => id));
  for (const [id, fate] of fates) if (fate === 'in doubt') fates.set(id, present.has(id) ? 'acknowledged' : 'failed');
}

const BROKEN = /broken promise|nothing handles|unreachable:/;

/** What the services' logs say that only an error in a program can cause. */
export function promisesBroken(home: Home): string[] {
  const directory = folder(home, 'logs');
  return readdirSync(directory).flatMap((file) =>
    readFileSync(join(directory, file), 'utf8')
      .split('\n')
      .filter((line) => BROKEN.test(line))
      .map((line) => `${file}: ${line}`),
  );
}
