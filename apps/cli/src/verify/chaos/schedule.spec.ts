import type { Effect, Fault } from './fault';
import { type ScheduleOptions, schedule } from './schedule';

const SAFEKEEPERS = ['safekeeper-1', 'safekeeper-2', 'safekeeper-3', 'safekeeper-4', 'safekeeper-5'] as const;
const MEMBERS = ['safekeeper-1', 'safekeeper-2', 'safekeeper-3'] as const;
const OPTIONS: ScheduleOptions = {
  machines: {
    safekeepers: SAFEKEEPERS,
    computeHosts: ['compute-1', 'compute-2'],
    all: ['operator', 'proxy', 'pageserver', 'compute-1', 'compute-2', ...SAFEKEEPERS],
  },
  members: MEMBERS,
  durationMs: 600_000,
  faultMs: { min: 1_000, max: 20_000 },
  pauseMs: { min: 500, max: 4_000 },
  canCut: true,
  fillable: 'safekeeper-3',
};
const KINDS_OF_STORAGE = 21;
const SEEDS = Array.from({ length: 50 }, (_, index) => index * 7_919);

const partsOf = (effect: Effect): Effect[] =>
  effect.kind === 'both' ? [...partsOf(effect.first), ...partsOf(effect.then)] : [effect];
/** Safekeepers that a fault touches in any way but by making them members. */
const disturbed = ({ effect }: Fault): string[] =>
  partsOf(effect).flatMap((part) => {
    if ('services' in part) return part.services.filter((name) => name.startsWith('safekeeper'));
    // Whoever is isolated is at an end of each of its links.
    if ('links' in part)
      return SAFEKEEPERS.filter((name) => part.links.every(({ from, to }) => [from, to].includes(name)));
    if (part.kind === 'swap') return [...part.first];
    return part.kind === 'fill' || part.kind === 'wipe' ? [part.service] : [];
  });
const wiped = ({ effect }: Fault): string[] =>
  partsOf(effect).flatMap((part) => (part.kind === 'wipe' ? [part.service] : []));
const changesIn = ({ effect }: Fault): (readonly string[])[] =>
  partsOf(effect).flatMap((part) => ('members' in part ? [part.members] : []));
/** Who shall keep the WAL in the end. */
const changeIn = (fault: Fault): readonly string[] | undefined => changesIn(fault).at(-1);
const endOf = (fault: Fault | undefined): number => (fault === undefined ? 0 : fault.endMs + fault.endingMs);
const isOfStorage = ({ name }: Fault): boolean =>
  name.includes('safekeeper') && !name.includes('pageserver') && !isOfMembers(name);
const isOfMembers = (name: string): boolean => /^(replace member|grow|shrink|wipe spare)/.test(name);

/** Each fault with who keeps the WAL when it begins. */
function withMembers(faults: readonly Fault[]): { fault: Fault; members: readonly string[] }[] {
  let members: readonly string[] = MEMBERS;
  return faults.map((fault) => {
    const before = members;
    members = changeIn(fault) ?? members;
    return { fault, members: before };
  });
}

it('S1: a seed gives the same faults again, another seed gives others', () => {
  expect(schedule(7, OPTIONS)).toEqual(schedule(7, OPTIONS));
  expect(schedule(7, OPTIONS)).not.toEqual(schedule(8, OPTIONS));
});

it('S2: at most one fault at a time is of the safekeepers, and it disturbs one of them unless it says a majority', () => {
  for (const seed of SEEDS) {
    const faults = withMembers(schedule(seed, OPTIONS)).filter(({ fault }) => isOfStorage(fault));
    expect(faults.length).toBeGreaterThan(10);
    for (const [index, { fault, members }] of faults.entries()) {
      expect(fault.beginMs).toBeGreaterThanOrEqual(endOf(faults[index - 1]?.fault) + OPTIONS.pauseMs.min);
      const down = new Set([...fault.downSafekeepers, ...wiped(fault)]);
      if (fault.name.includes('majority')) {
        expect(down.size).toBe(Math.floor(members.length / 2) + 1);
        for (const name of down) expect(members).toContain(name);
      } else {
        expect(disturbed(fault)).toHaveLength(1);
        expect(['starve', 'fill', 'cut', 'flap'].includes(fault.effect.kind) || down.size === 1).toBe(true);
      }
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
    'pause majority of safekeepers',
    'isolate majority of safekeepers',
    'replace killed safekeeper',
    'replace paused safekeeper',
    'kill safekeeper amid a change',
    'replace wiped safekeeper by another',
    'replace wiped safekeeper by its next disk',
    'wipe safekeeper amid a change',
    'wipe safekeeper, kill the others of a majority',
    'isolate safekeeper amid a change',
    'fill disk of safekeeper',
    'replace member',
    'grow to all safekeepers',
    'shrink to three safekeepers',
    'wipe spare safekeeper',
    'replace member, and wipe it',
    'kill control-plane amid a change',
    'pause pageserver under a load',
    'kill Postgres',
    'kill metadata',
    'isolate compute host',
    'lossy links of compute host',
  ])
    expect(names).toContain(name);
});

it('S5: members are three to five, each once, and a change is one; who is struck by name is a member before or after', () => {
  for (const seed of SEEDS)
    for (const { fault, members } of withMembers(schedule(seed, OPTIONS))) {
      const after = changeIn(fault) ?? members;
      expect([3, 4, 5]).toContain(after.length);
      expect(new Set(after).size).toBe(after.length);
      if (wiped(fault).length === 0 && changeIn(fault) !== undefined)
        expect([...after].sort()).not.toEqual([...members].sort());
      if (isOfStorage(fault) && fault.effect.kind !== 'fill')
        for (const name of disturbed(fault)) expect([members, ...changesIn(fault)].flat()).toContain(name);
    }
});

it('cuts and fills nothing where that cannot be done', () => {
  const kinds = schedule(1, { ...OPTIONS, canCut: false, fillable: null }).flatMap(({ effect }) =>
    partsOf(effect).map(({ kind }) => kind),
  );
  expect(kinds.filter((kind) => kind === 'cut' || kind === 'flap' || kind === 'fill')).toEqual([]);
});
