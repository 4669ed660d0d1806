/** What a person sees while something takes time: one line a step, with how long it took. */
import { styleText } from 'node:util';

const QUIET_MS = 80;

/** A failure the person can do something about: shown without a stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
}

export const say = (line = ''): void => void process.stdout.write(`${line}\n`);

const dim = (text: string): string => (process.stdout.isTTY ? styleText('dim', text) : text);
export const bold = (text: string): string => (process.stdout.isTTY ? styleText('bold', text) : text);

/** Runs one step; its line appears when it ends, or at once (with dots) when it takes noticeable time. */
export async function step<T>(name: string, run: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const live = process.stdout.isTTY;
  const timer = setTimeout(() => live && process.stdout.write(`  ${name} …`), QUIET_MS);
  const clear = (): void => {
    clearTimeout(timer);
    if (live) process.stdout.write('\r\u001b[K');
  };
  try {
    const result = await run();
    clear();
    say(`  ✓ ${name} ${dim(`${((performance.now() - started) / 1000).toFixed(1)} s`)}`);
    return result;
  } catch (error) {
    clear();
    say(`  ✗ ${name}`);
    throw error;
  }
}
