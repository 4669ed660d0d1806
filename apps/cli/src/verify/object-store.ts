/** `./neon verify object-store`: whether a bucket or a directory does what the product counts on. */
import { Refusal, Unavailable } from '@neon/kernel';
import { type ConformanceReport, type JudgedRule, objectStoreOf, verifyConformance } from '@neon/object-store';
import { CommandFailure, say } from '../progress';

const LABELS = { ok: 'ok', notSupported: 'not supported', failed: 'FAILED' } as const;

export async function verifyObjectStore({ url }: { url: string }): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new CommandFailure('interrupted; what was put has been deleted'));
  process.once('SIGINT', interrupt);
  try {
    const store = await objectStoreOf(url);
    try {
      say(store.description);
      conclude(await verifyConformance(store, { report: (judged) => say(lineOf(judged)), signal: interrupted.signal }));
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof Refusal || error instanceof Unavailable) throw new CommandFailure(error.message);
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
  }
}

function lineOf({ rule, judgement }: JudgedRule): string {
  const line = `  ${LABELS[judgement.status].padEnd(13)}  ${rule.name}`;
  if (judgement.status === 'ok') return line;
  const need = `${rule.isRequired ? 'required' : 'optional'}, for ${rule.neededFor}`;
  return `${line}\n${' '.repeat(17)}${judgement.reason}\n${' '.repeat(17)}${need}`;
}

function conclude({ rules, isFit }: ConformanceReport): void {
  const count = (status: keyof typeof LABELS): number =>
    rules.filter(({ judgement }) => judgement.status === status).length;
  say(`${rules.length} rules: ${count('ok')} ok, ${count('notSupported')} not supported, ${count('failed')} failed`);
  if (!isFit) throw new CommandFailure('this object store is not fit for use');
  say('this object store is fit for use');
}
