import { type Fault, type ScheduleOptions, schedule } from './schedule';

const SAFEKEEPERS = ['safekeeper-1', 'safekeeper-2', 'safekeeper-3'] as const;
const OPTIONS: ScheduleOptions = {
  machines: {
    safekeepers: SAFEKEEPERS,
    computeHosts: ['compute-1', 'compute-2'],
    all: ['operator', 'proxy', 'pageserver', 'compute-1', 'compute-2', ...SAFEKEEPERS],
  },
  durationMs: 600_000,
  faultMs: { min: 1_000, max: 20_000 },
  pauseMs: { min: 500, max: 4_000 },
  canCut: true,
  fillable: 'safekeeper-3',
};
const KINDS_OF_STORAGE = 13;
const SEEDS = Array.from({ length: 50 }, (_, index) => index * 7_919);

/** Safekeepers that a fault touches in any way. */
const disturbed = ({ effect }: Fault): string[] => {
  if ('services' in effect) return effect.services.filter((name) => name.startsWith('safekeeper'));
  if ('links' in effect)
    return SAFEKEEPERS.filter((name) => effect.links.some(({ from, to }) => [from, to].includes(name)));
  if ('first' in effect) return [...effect.first];
  return 'service' in effect ? [effect.service] : [];
};
const endOf = (fault: Fault | undefined): number => (fault === undefined ? 0 : fault.endMs + fault.endingMs);
const isOfStorage = (fault: Fault): boolean =>
  / safekeeper| two safekeepers/.test(` ${fault.name}`) && !fault.name.includes('pageserver');

it('S1: a seed gives the same faults again, another seed gives others', () => {
  expect(schedule(7, OPTIONS)).toEqual(schedule(7, OPTIONS));
  expect(schedule(7, OPTIONS)).not.toEqual(schedule(8, OPTIONS));
});

it('S2: at most one fault at a time is of the safekeepers, and it disturbs one of them unless it says two', () => {
  for (const seed of SEEDS) {
    const faults = schedule(seed, OPTIONS).filter(isOfStorage);
    expect(faults.length).toBeGreaterThan(10);
    for (const [index, fault] of faults.entries()) {
      expect(fault.beginMs).toBeGreaterThanOrEqual(endOf(faults[index - 1]) + OPTIONS.pauseMs.min);
      if (fault.name.includes('two safekeepers')) expect(new Set(fault.downSafekeepers).size).toBe(2);
      else if (fault.name.startsWith('isolate')) expect(fault.downSafekeepers).toHaveLength(1);
      else expect(disturbed(fault)).toHaveLength(1);
    }
  }
});

it('S3: nothing is broken at the end', () => {
  for (const seed of SEEDS)
    for (const fault of schedule(seed, OPTIONS)) expect(endOf(fault)).toBeLessThanOrEqual(OPTIONS.durationMs);
});

it('S4: no kind comes again before all have come', () => {
  for (const seed of SEEDS) {
    const names = schedule(seed, OPTIONS)
      .filter(isOfStorage)
      .map(({ name }) => name);
    const again = names.findIndex((name, index) => names.indexOf(name) < index);
    expect(again === -1 ? KINDS_OF_STORAGE : again).toBeGreaterThanOrEqual(KINDS_OF_STORAGE);
  }
});

it('S4: every kind comes in a run that is long enough', () => {
  const names = new Set(schedule(1, { ...OPTIONS, durationMs: 1_200_000 }).map(({ name }) => name));
  for (const name of [
    'kill safekeeper',
    'pause two safekeepers',
    'isolate two safekeepers',
    'fill disk of safekeeper',
    'kill Postgres',
    'kill metadata',
    'isolate compute host',
    'lossy links of compute host',
  ])
    expect(names).toContain(name);
});

it('cuts and fills nothing where that cannot be done', () => {
  const kinds = schedule(1, { ...OPTIONS, canCut: false, fillable: null }).map(({ effect }) => effect.kind);
  expect(kinds.filter((kind) => kind === 'cut' || kind === 'flap' || kind === 'fill')).toEqual([]);
});
