/**
 * How faults are drawn. Each recipe is given who keeps the WAL when the fault begins, as the schedule would have it, and
 * says who shall keep it afterwards when it changes that.
 */
import type { Effect, Link } from './fault';
import {
  MIDST_OF_CHANGE_MS,
  type Machines,
  type Members,
  type Recipe,
  type Stage,
  majority,
  some,
  without,
} from './stage';
import { WIPE_OTHERS_RECIPES, WIPE_RECIPES } from './wipes';

/** Long enough for a compute to start with those that are there. */
export const SWAPPED_MS = 4_000;
const MEMBERS_MIN = 3;

const bothWays = (left: string, right: string): Link[] => [
  { from: left, to: right },
  { from: right, to: left },
];

const isolating = (machine: string, { all }: Machines): Link[] =>
  all.filter((other) => other !== machine).flatMap((other) => bothWays(machine, other));

const onOneSafekeeper =
  (kind: 'kill' | 'pause'): Recipe =>
  (random, { members }) => {
    const services = [random.pick(members)];
    return { name: `${kind} safekeeper`, effect: { kind, services }, downSafekeepers: services };
  };

const onMajority =
  (kind: 'kill' | 'pause'): Recipe =>
  (random, { members }) => {
    const services = majority(members, random);
    return { name: `${kind} majority of safekeepers`, effect: { kind, services }, downSafekeepers: services };
  };

const starveSafekeeper: Recipe = (random, { members }) => ({
  name: 'starve safekeeper',
  effect: { kind: 'starve', services: [random.pick(members)] },
});

/**
 * While a majority is down the others may take WAL that no quorum has. Then it is they that are down, and the compute starts
 * again with the majority: whatever was acknowledged too early is lost.
 */
const swapSides: Recipe = (random, { members }) => {
  const first = majority(members, random);
  const then = members.filter((member) => !first.includes(member));
  return {
    name: 'majority of safekeepers down, then the others',
    effect: { kind: 'swap', first, then },
    downSafekeepers: first,
    endingMs: SWAPPED_MS,
  };
};

const replaceMember: Recipe = (random, stage) => {
  const members = without(random.pick(stage.members), stage, random);
  return { name: 'replace member', effect: { kind: 'change', members }, members };
};

const growOrShrink: Recipe = (random, { members: present, safekeepers }) => {
  const isGrowing = present.length <= MEMBERS_MIN;
  const [first = safekeepers[0], ...rest] = isGrowing ? safekeepers : some(present, MEMBERS_MIN, random);
  const members: Members = [first, ...rest];
  const name = isGrowing ? 'grow to all safekeepers' : 'shrink to three safekeepers';
  return { name, effect: { kind: 'change', members }, members };
};

const replaceLost =
  (kind: 'kill' | 'pause', name: string): Recipe =>
  (random, stage) => {
    const lost = random.pick(stage.members);
    const members = without(lost, stage, random);
    const effect: Effect = {
      kind: 'both',
      first: { kind, services: [lost] },
      then: { kind: 'change', members },
      gapMs: random.between(0, MIDST_OF_CHANGE_MS),
    };
    return { name, effect, downSafekeepers: [lost], members };
  };

/** One that stays, so that it is a donor, or one that joins. */
const strikeInChange =
  (name: string, strike: (machine: string, stage: Stage) => Effect): Recipe =>
  (random, stage) => {
    const members = without(random.pick(stage.members), stage, random);
    const struck = random.pick(members);
    const effect: Effect = {
      kind: 'both',
      first: { kind: 'change', members },
      then: strike(struck, stage),
      gapMs: random.between(0, MIDST_OF_CHANGE_MS),
    };
    return { name, effect, downSafekeepers: [struck], members };
  };

export const SAFEKEEPER_RECIPES: readonly Recipe[] = [
  swapSides,
  onOneSafekeeper('kill'),
  onOneSafekeeper('pause'),
  starveSafekeeper,
  onMajority('kill'),
  onMajority('pause'),
  replaceLost('kill', 'replace killed safekeeper'),
  replaceLost('pause', 'replace paused safekeeper'),
  strikeInChange('kill safekeeper amid a change', (struck) => ({ kind: 'kill', services: [struck] })),
  ...WIPE_RECIPES,
];

export const SAFEKEEPER_LINK_RECIPES: readonly Recipe[] = [
  (random, stage) => {
    const machine = random.pick(stage.members);
    const links = isolating(machine, stage);
    return { name: 'isolate safekeeper', effect: { kind: 'cut', links }, downSafekeepers: [machine] };
  },
  (random, stage) => {
    const down = majority(stage.members, random);
    const links = down.flatMap((machine) => isolating(machine, stage));
    return { name: 'isolate majority of safekeepers', effect: { kind: 'cut', links }, downSafekeepers: down };
  },
  strikeInChange('isolate safekeeper amid a change', (struck, stage) => ({
    kind: 'cut',
    links: isolating(struck, stage),
  })),
  (random, { computeHosts, members }) => {
    const links = bothWays(random.pick(computeHosts), random.pick(members));
    return { name: 'cut compute host from safekeeper', effect: { kind: 'cut', links } };
  },
  (random, { computeHosts, members }) => {
    const safekeeper = random.pick(members);
    const links = computeHosts.map((host): Link => ({ from: host, to: safekeeper }));
    return { name: 'safekeeper hears no compute host', effect: { kind: 'cut', links } };
  },
  (random, { computeHosts, members }) => {
    const safekeeper = random.pick(members);
    const links = computeHosts.map((host): Link => ({ from: safekeeper, to: host }));
    return { name: 'compute hosts hear no word of safekeeper', effect: { kind: 'cut', links } };
  },
  (random, { computeHosts, members }) => {
    const safekeeper = random.pick(members);
    const links = computeHosts.flatMap((host) => bothWays(host, safekeeper));
    return { name: 'lossy links of safekeeper', effect: { kind: 'flap', links } };
  },
];

export const fillDisk =
  (service: string): Recipe =>
  () => ({ name: 'fill disk of safekeeper', effect: { kind: 'fill', service } });

/** All members stay as they are but for what other faults do to them meanwhile. */
export const MEMBER_RECIPES: readonly Recipe[] = [replaceMember, growOrShrink, ...WIPE_OTHERS_RECIPES];

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

const onLoadedPageserver =
  (kind: 'kill' | 'pause'): Recipe =>
  () => ({
    name: `${kind} pageserver under a load`,
    effect: { kind: 'both', first: { kind: 'load' }, then: { kind, services: ['pageserver'] }, gapMs: 0 },
  });

const killControlPlaneInChange: Recipe = (random, stage) => {
  const members = without(random.pick(stage.members), stage, random);
  const effect: Effect = {
    kind: 'both',
    first: { kind: 'change', members },
    then: { kind: 'kill', services: ['control-plane'] },
    gapMs: random.between(0, MIDST_OF_CHANGE_MS),
  };
  return { name: 'kill control-plane amid a change', effect, members };
};

export const OTHER_RECIPES: readonly Recipe[] = [
  ...SINGLE_SERVICES.flatMap((service) => [on('kill', service), on('pause', service)]),
  onComputeHost('kill'),
  onComputeHost('pause'),
  onComputeHost('starve'),
  on('starve', 'pageserver'),
  onLoadedPageserver('kill'),
  onLoadedPageserver('pause'),
  killControlPlaneInChange,
  () => ({ name: 'kill Postgres', effect: { kind: 'killPostgres' } }),
  () => ({ name: 'pause Postgres', effect: { kind: 'pausePostgres' } }),
];

export const OTHER_LINK_RECIPES: readonly Recipe[] = [
  (random, stage) => ({
    name: 'isolate compute host',
    effect: { kind: 'cut', links: isolating(random.pick(stage.computeHosts), stage) },
  }),
  (_random, stage) => ({
    name: 'isolate pageserver',
    effect: { kind: 'cut', links: isolating('pageserver', stage) },
  }),
  (_random, { safekeepers }) => ({
    name: 'cut pageserver from safekeepers',
    effect: { kind: 'cut', links: safekeepers.flatMap((safekeeper) => bothWays('pageserver', safekeeper)) },
  }),
  (random, stage) => ({
    name: 'lossy links of compute host',
    effect: { kind: 'flap', links: isolating(random.pick(stage.computeHosts), stage) },
  }),
];
