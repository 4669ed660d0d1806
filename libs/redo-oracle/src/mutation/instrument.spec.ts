import ts from 'typescript';
import { findConstants } from './constants';
import { instrument } from './instrument';
import { mutantName, type Mutant } from './mutant';

interface Instrumented {
  readonly mutants: readonly Mutant[];
  /** Calls an exported function with a mutant on, or none. */
  readonly call: (name: string, args: readonly unknown[], id?: number) => unknown;
  readonly scratchCount: number;
}

/** Source text, instrumented and run. */
function instrumented(text: string, isChosen = (_id: number): boolean => true): Instrumented {
  const syntax = ts.createSourceFile('redo/sample.ts', text, ts.ScriptTarget.ES2023, true);
  const constants = findConstants([syntax]);
  const { text: written, mutants } = instrument(
    { file: 'redo/sample.ts', syntax },
    { constants, firstId: 0, switchModule: './switch', isChosen },
  );
  const module = ts.ModuleKind.CommonJS;
  const { outputText } = ts.transpileModule(written, { compilerOptions: { module, target: ts.ScriptTarget.ES2023 } });
  let active = -1;
  let scratchCount = 0;
  const switches = {
    on: (id: number) => id === active,
    branch: (_: number, value: unknown) => value,
    step: () => undefined,
    scratch: <T>(buffer: T): T => (scratchCount++, buffer),
  };
  const exports: Record<string, (...args: unknown[]) => unknown> = {};
  new Function('exports', 'require', outputText)(exports, () => switches);
  const call = (name: string, args: readonly unknown[], id = -1): unknown => {
    active = id;
    return exports[name]?.(...args);
  };
  return { mutants, call, scratchCount };
}

/** What each mutant of a function makes of a call, by the mutant. */
function outcomes(text: string, args: readonly unknown[]): Record<string, unknown> {
  const { mutants, call } = instrumented(text);
  return Object.fromEntries(
    mutants.map((mutant) => [mutantName(mutant).replace('redo/sample.ts f: ', ''), call('f', args, mutant.id)]),
  );
}

test('N1: with no mutant on, everything is as it was', () => {
  const { call } = instrumented(`
    const MASK = 0x0f;
    export function f(list: readonly number[], { from = 1 }: { from?: number } = {}): number[] {
      const found: number[] = [];
      for (let i = from; i < list.length; i++) {
        const value = list[i] as number;
        if (value === 0) continue;
        else if (value > 100) throw new Error('large');
        switch (value & MASK) {
          case 1: found.push(value); break;
          default: found.push(-value);
        }
      }
      do found.pop(); while (found.length > 2);
      return found;
    }`);
  expect(call('f', [[5, 17, 2, 0, 33, 4]])).toEqual([17, -2]);
  expect(() => call('f', [[5, 101]])).toThrow('large');
});

test('N2: each mutant changes one place', () => {
  expect(outcomes('export const f = (a: number, b: number): number => a + b * 2;', [3, 4])).toEqual({
    '[body removed]': undefined,
    'a + b * 2 [+ to -]': -5,
    'b * 2 [* to +]': 9,
    '2 [one more]': 15,
  });
});

test('N2: constants are broken where they are used, bits are left out where they are combined', () => {
  const text = `
    const SIZE = 8;
    const Flag = { LEAF: 1, ROOT: 2 } as const;
    export const f = (flags: number): number => (flags & ~Flag.LEAF) + SIZE;`;
  expect(outcomes(text, [7])).toMatchObject({
    'SIZE [one more]': 15,
    'Flag.LEAF [bits left out]': 15,
    '~Flag.LEAF [without ~]': 9,
    'flags & ~Flag.LEAF [& to |]': 7,
  });
});

test('conditions always hold, or never do; statements and cases go', () => {
  const text = `
    export function f(log: string[], kind: number): string[] {
      if (kind > 1) log.push('many');
      switch (kind) {
        case 2: log.push('two'); break;
        default: log.push('other');
      }
      return log;
    }`;
  const { mutants, call } = instrumented(text);
  const by = (mutation: string): unknown =>
    call('f', [[], 2], mutants.find((mutant) => mutantName(mutant).endsWith(mutation))?.id ?? NaN);
  expect(by('[never: kind > 1]')).toEqual(['two']);
  expect(by(`log.push('two') [removed]`)).toEqual(['many']);
  expect(by('2 [case removed]')).toEqual(['many', 'other']);
});

test('a mutant that is not chosen is told of, and cannot be switched on', () => {
  const { mutants, call } = instrumented('export const f = (a: number): number => a + 2;', (id) => id !== 1);
  expect(mutants.map(({ mutation }) => mutation)).toEqual(['body removed', 'one more', '+ to -']);
  expect([0, 1, 2].map((id) => call('f', [5], id))).toEqual([undefined, 7, 3]);
});

test('U2: a guard is negated, and what it throws is left alone', () => {
  const { mutants } = instrumented(`export function f(at: number, end: number): number {
    if (at + 4 > end) throw new Error(\`no room at \${at + 1}\`);
    return at;
  }`);
  expect(mutants.map(mutantName)).toEqual([
    'redo/sample.ts f: [body removed]',
    'redo/sample.ts f: at + 4 > end [negated]',
  ]);
});

test('U2: so is one of a call that does nothing but throw', () => {
  const { mutants } = instrumented('export function f(id: number): void { if (id !== 3) unsupported(`${id + 1}`); }');
  expect(mutants.map(mutantName)).toEqual(['redo/sample.ts f: [body removed]', 'redo/sample.ts f: id !== 3 [negated]']);
});

test('S2: bounds that are only checked are left alone', () => {
  const { mutants } = instrumented(`
    declare function mainData(record: object, size: number): number;
    declare function readU16Array(at: number, range: { count: number; end: number }): void;
    export function f(record: object): void { readU16Array(mainData(record, 12), { count: 2, end: 40 }); }`);
  expect(mutants.map(({ original }) => original).filter((original) => /^\d+$/.test(original))).toEqual(['2']);
});

test('buffers made when the module is loaded are known, and nothing else there is changed', () => {
  const { mutants, scratchCount } = instrumented(`
    const SIZE = 4 + 4;
    const buffer = new Uint8Array(SIZE);
    export const f = (): number => buffer.length;`);
  expect(scratchCount).toBe(1);
  expect(mutants.map(({ mutation }) => mutation)).toEqual(['body removed']);
});

test('mutants that are named alike are counted', () => {
  const { mutants } = instrumented('export const f = (a: number): number => a * 2 - a * 2;');
  expect(mutants.map(mutantName).slice(1)).toEqual([
    'redo/sample.ts f: 2 [one more]',
    'redo/sample.ts f: a * 2 [* to +]',
    'redo/sample.ts f: 2 [one more] #2',
    'redo/sample.ts f: a * 2 [* to +] #2',
    'redo/sample.ts f: a * 2 - a * 2 [- to +]',
  ]);
});

test('methods, callbacks and functions in objects go by the names around them', () => {
  const { mutants } = instrumented(`
    const TABLE = { plain: (a: number) => a - 1 };
    class Reader { take(): number[] { return [1].map((each) => each - 2); } }`);
  expect([...new Set(mutants.map(({ functionName }) => functionName))]).toEqual(['TABLE.plain', 'Reader.take']);
});
