/**
 * Ids and secrets that people see.
 *
 *   I1  A project is `adjective-noun-12345678`; a branch and an endpoint are the same behind `br-` and `ep-`.
 *   I2  All chance comes from `random`: the same bytes give the same id.
 *   I3  A password is `npg_` and 16 characters of [A-Za-z0-9]: 95 bits.
 */
import type { Random } from '@neon/kernel';
import { ADJECTIVES, NOUNS } from './words';

const PASSWORD_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const PASSWORD_LENGTH = 16;
const KEY_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const KEY_LENGTH = 64;

export const newProjectId = (random: Random): string => phrase(random);
export const newBranchId = (random: Random): string => `br-${phrase(random)}`;
export const newEndpointId = (random: Random): string => `ep-${phrase(random)}`;

/** A whole number below 2^47: databases of every branch are told apart by it. */
export const newDatabaseId = (random: Random): number => below(2 ** 47, random);

export const newPassword = (random: Random): string => `npg_${letters(random, PASSWORD_LETTERS, PASSWORD_LENGTH)}`;

/** An API key: shown once, kept as a hash. */
export const newApiKey = (random: Random): string => letters(random, KEY_LETTERS, KEY_LENGTH);

function phrase(random: Random): string {
  const digits = below(100_000_000, random).toString().padStart(8, '0');
  return `${pick(ADJECTIVES, random)}-${pick(NOUNS, random)}-${digits}`;
}

function letters(random: Random, alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet.charAt(below(alphabet.length, random))).join('');
}

function pick(words: readonly string[], random: Random): string {
  return words[below(words.length, random)] ?? '';
}

/** A whole number in [0, limit). Six bytes, so the bias towards small numbers stays below limit / 2^48. */
function below(limit: number, random: Random): number {
  return random.bytes(6).reduce((value, byte) => value * 256 + byte, 0) % limit;
}
