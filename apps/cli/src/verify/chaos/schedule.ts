/**
 * The faults of a chaos run, decided by a seed before it begins.
 *
 *   S1  The same seed and options give the same faults.
 *   S2  Faults of safekeepers follow each other, with a pause between two: whatever else is broken, a quorum is whole but
 *       for the faults that are meant to break it, and those name the safekeepers that are down.
 *   S3  Every fault ends before the run does.
 *   S4  Every kind comes once before any comes again.
 */
import { SeededRandom } from '@neon/simulation';
import { unreachable } from '@neon/kernel';

/** One way: what `from` sends to `to`. */
export interface Link {
  readonly from: string;
  readonly to: string;
}

export type Effect =
  | { readonly kind: 'kill' | 'pause' | 'starve'; readonly services: readonly string[] }
  | { readonly kind: 'killPostgres' | 'pausePostgres' }
  | { readonly kind: 'cut' | 'flap'; readonly links: readonly Link[] }
  | { readonly kind: 'fill'; readonly service: string }
  | { readonly kind: 'swap'; readonly first: readonly string[]; readonly then: readonly string[] };

export interface Fault {
  readonly name: string;
  readonly effect: Effect;
  readonly beginMs: number;
  readonly endMs: number;
  /** What ending it takes, at least. */
  readonly endingMs: number;
  /** Safekeepers that confirm nothing meanwhile. */
  readonly downSafekeepers: readonly string[];
}

/** Long enough for a compute to start with the two others. */
export const SWAPPED_MS = 4_000;

export interface Machines {
  readonly safekeepers: readonly [string, ...string[]];
  readonly computeHosts: readonly [string, ...string[]];
  /** Everything that a link may lead to, the two above included. */
  readonly all: readonly string[];
}

export interface ScheduleOptions {
  readonly machines: Machines;
  readonly durationMs: number;
  readonly faultMs: Range;
  readonly pauseMs: Range;
  readonly canCut: boolean;
  /** The safekeeper whose disk can be filled. */
  readonly fillable: string | null;
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

type Drawn = Pick<Fault, 'name' | 'effect'> & Partial<Pick<Fault, 'downSafekeepers' | 'endingMs'>>;
type Recipe = (random: SeededRandom, machines: Machines) => Drawn;

const bothWays = (left: string, right: string): Link[] => [
  { from: left, to: right },
  { from: right, to: left },
];

const isolating = (machine: string, { all }: Machines): Link[] =>
  all.filter((other) => other !== machine).flatMap((other) => bothWays(machine, other));

function two([first, ...rest]: Machines['safekeepers'], random: SeededRandom): string[] {
  const all = [first, ...rest];
  all.splice(random.between(0, all.length), 1);
  return all.slice(0, 2);
}

const onOneSafekeeper =
  (kind: 'kill' | 'pause'): Recipe =>
  (random, { safekeepers }) => {
    const services = [random.pick(safekeepers)];
    return { name: `${kind} safekeeper`, effect: { kind, services }, downSafekeepers: services };
  };

const onTwoSafekeepers =
  (kind: 'kill' | 'pause'): Recipe =>
  (random, { safekeepers }) => {
    const services = two(safekeepers, random);
    return { name: `${kind} two safekeepers`, effect: { kind, services }, downSafekeepers: services };
  };

const starveSafekeeper: Recipe = (random, { safekeepers }) => ({
  name: 'starve safekeeper',
  effect: { kind: 'starve', services: [random.pick(safekeepers)] },
});

/**
 * While two are down the third may take WAL that no quorum has. Then it is the one that is down, and the compute starts
 * again with the two others: whatever was acknowledged too early is lost.
 */
const swapSides: Recipe = (random, { safekeepers }) => {
  const first = two(safekeepers, random);
  const then = safekeepers.filter((safekeeper) => !first.includes(safekeeper));
  return {
    name: 'two safekeepers down, then the third',
    effect: { kind: 'swap', first, then },
    downSafekeepers: first,
    endingMs: SWAPPED_MS,
  };
};

const SAFEKEEPER_RECIPES: readonly Recipe[] = [
  swapSides,
  onOneSafekeeper('kill'),
  onOneSafekeeper('pause'),
  starveSafekeeper,
  onTwoSafekeepers('kill'),
  onTwoSafekeepers('pause'),
];

const SAFEKEEPER_LINK_RECIPES: readonly Recipe[] = [
  (random, machines) => {
    const machine = random.pick(machines.safekeepers);
    const links = isolating(machine, machines);
    return { name: 'isolate safekeeper', effect: { kind: 'cut', links }, downSafekeepers: [machine] };
  },
  (random, machines) => {
    const down = two(machines.safekeepers, random);
    const links = down.flatMap((machine) => isolating(machine, machines));
    return { name: 'isolate two safekeepers', effect: { kind: 'cut', links }, downSafekeepers: down };
  },
  (random, { computeHosts, safekeepers }) => {
    const links = bothWays(random.pick(computeHosts), random.pick(safekeepers));
    return { name: 'cut compute host from safekeeper', effect: { kind: 'cut', links } };
  },
  (random, { computeHosts, safekeepers }) => {
    const safekeeper = random.pick(safekeepers);
    const links = computeHosts.map((host): Link => ({ from: host, to: safekeeper }));
    return { name: 'safekeeper hears no compute host', effect: { kind: 'cut', links } };
  },
  (random, { computeHosts, safekeepers }) => {
    const safekeeper = random.pick(safekeepers);
    const links = computeHosts.map((host): Link => ({ from: safekeeper, to: host }));
    return { name: 'compute hosts hear no word of safekeeper', effect: { kind: 'cut', links } };
  },
  (random, { computeHosts, safekeepers }) => {
    const safekeeper = random.pick(safekeepers);
    const links = computeHosts.flatMap((host) => bothWays(host, safekeeper));
    return { name: 'lossy links of safekeeper', effect: { kind: 'flap', links } };
  },
];

const SINGLE_SERVICES = ['pageserver', 'control-plane', 'proxy', 'nats', 'metadata'] as const;

const on =
  (kind: 'kill' | 'pause' | 'starve', service: string): Recipe =>
  () => ({ name: `${kind} ${service}`, effect: { kind, services: [service] } });

const onComputeHost =
  (kind: 'kill' | 'pause' | 'starve'): Recipe =>
  (random, { computeHosts }) => ({
    name: `${kind} compute host`,
    effect: { kind, services: [random.pick(computeHosts)] },
  });

const OTHER_RECIPES: readonly Recipe[] = [
  ...SINGLE_SERVICES.flatMap((service) => [on('kill', service), on('pause', service)]),
  onComputeHost('kill'),
  onComputeHost('pause'),
  onComputeHost('starve'),
  on('starve', 'pageserver'),
  () => ({ name: 'kill Postgres', effect: { kind: 'killPostgres' } }),
  () => ({ name: 'pause Postgres', effect: { kind: 'pausePostgres' } }),
];

const OTHER_LINK_RECIPES: readonly Recipe[] = [
  (random, machines) => ({
    name: 'isolate compute host',
    effect: { kind: 'cut', links: isolating(random.pick(machines.computeHosts), machines) },
  }),
  (_random, machines) => ({
    name: 'isolate pageserver',
    effect: { kind: 'cut', links: isolating('pageserver', machines) },
  }),
  (_random, { safekeepers }) => ({
    name: 'cut pageserver from safekeepers',
    effect: { kind: 'cut', links: safekeepers.flatMap((safekeeper) => bothWays('pageserver', safekeeper)) },
  }),
  (random, machines) => ({
    name: 'lossy links of compute host',
    effect: { kind: 'flap', links: isolating(random.pick(machines.computeHosts), machines) },
  }),
];

/** In the order in which they begin. */
export function schedule(seed: number, options: ScheduleOptions): Fault[] {
  const { canCut, fillable } = options;
  const fill: Recipe = () => ({
    name: 'fill disk of safekeeper',
    effect: { kind: 'fill', service: fillable ?? '' },
  });
  const ofSafekeepers = [
    ...SAFEKEEPER_RECIPES,
    ...(canCut ? SAFEKEEPER_LINK_RECIPES : []),
    ...(fillable === null ? [] : [fill]),
  ];
  const others = [...OTHER_RECIPES, ...(canCut ? OTHER_LINK_RECIPES : [])];
  const random = new SeededRandom(seed);
  return [...track(ofSafekeepers, random, options), ...track(others, random, options)].sort(
    (a, b) => a.beginMs - b.beginMs,
  );
}

/** One fault after the other until the time is over. */
function track(recipes: readonly Recipe[], random: SeededRandom, options: ScheduleOptions): Fault[] {
  const { machines, durationMs, faultMs, pauseMs } = options;
  const faults: Fault[] = [];
  let bag: Recipe[] = [];
  for (let now = 0; ;) {
    const beginMs = now + random.between(pauseMs.min, pauseMs.max + 1);
    const endMs = beginMs + random.between(faultMs.min, faultMs.max + 1);
    if (endMs > durationMs) return faults;
    if (bag.length === 0) bag = [...recipes];
    const [recipe] = bag.splice(random.between(0, bag.length), 1);
    if (recipe === undefined) return faults;
    const { downSafekeepers = [], endingMs = 0, ...drawn } = recipe(random, machines);
    if (endMs + endingMs <= durationMs) faults.push({ ...drawn, downSafekeepers, beginMs, endMs, endingMs });
    now = endMs + endingMs;
  }
}

/** For people. */
export function describe({ name, effect }: Fault): string {
  switch (effect.kind) {
    case 'kill':
    case 'pause':
    case 'starve':
      return `${name} (${effect.services.join(', ')})`;
    case 'killPostgres':
    case 'pausePostgres':
      return name;
    case 'cut':
    case 'flap': {
      const shown =
        effect.links.length > 4 ? effect.links.filter((_link, at) => at % 2 === 0).slice(0, 1) : effect.links;
      return `${name} (${shown.map(({ from, to }) => `${from} to ${to}`).join(', ')}${shown.length < effect.links.length ? ', …' : ''})`;
    }
    case 'fill':
      return `${name} (${effect.service})`;
    case 'swap':
      return `${name} (${effect.first.join(', ')}; ${effect.then.join(', ')})`;
    default:
      return unreachable(effect);
  }
}
