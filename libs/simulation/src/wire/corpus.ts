/** Inputs that once broke a promise, one a file: `corpus/failed/*.json`. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { WireInput } from './wire-fuzz';

export const encodeWireInput = ({ messages, ...input }: WireInput): string =>
  `${JSON.stringify({ ...input, messages: messages.map((bytes) => Buffer.from(bytes).toString('hex')) }, null, 2)}\n`;

export function decodeWireInput(text: string): WireInput {
  const { kind, seed, messages } = JSON.parse(text) as Record<keyof WireInput, unknown>;
  if ((kind !== 'to safekeeper' && kind !== 'of liar') || typeof seed !== 'number' || !Array.isArray(messages))
    throw new SyntaxError('not an input of the wire fuzzer');
  return { kind, seed, messages: messages.map((hex) => new Uint8Array(Buffer.from(String(hex), 'hex'))) };
}

export function readFailed(directory: string): { readonly name: string; readonly input: WireInput }[] {
  const files = readdirSync(directory).filter((name) => name.endsWith('.json'));
  return files.sort().map((name) => ({ name, input: decodeWireInput(readFileSync(join(directory, name), 'utf8')) }));
}
