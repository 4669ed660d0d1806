import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryObjectStore } from '../directory/directory-object-store';
import { MemoryObjectStore } from '../memory-object-store';
import type { ObjectStore } from '../object-store';
import { conformanceRules, newSubject, verifyConformance } from './verify-conformance';

const root = mkdtempSync(join(tmpdir(), 'neon-objects-'));
afterAll(() => rmSync(root, { recursive: true }));

const stores: [string, ObjectStore][] = [
  ['memory', new MemoryObjectStore()],
  ['directory', new DirectoryObjectStore(root, { listCountMax: 100 })],
];

describe.each(stores)('%s', (_name, store) => {
  it.each(conformanceRules(store).map((rule) => [rule.name, rule] as const))('%s', async (_rule, rule) => {
    const subject = newSubject(store);
    try {
      await rule.check(subject);
    } finally {
      await subject.clean();
    }
  });

  it('the suite as a whole finds it fit, and leaves nothing', async () => {
    const lines: string[] = [];
    const { isFit, rules } = await verifyConformance(store, { report: ({ rule }) => lines.push(rule.name) });
    expect(isFit).toBe(true);
    expect(rules.map(({ rule }) => rule.name)).toEqual(lines);
    expect(await newSubject(store).list('')).toEqual([]);
  });
});

it('a directory is left as it was found', () => {
  expect(readdirSync(root)).toEqual(['~writing']);
  expect(readdirSync(join(root, '~writing'))).toEqual([]);
});
