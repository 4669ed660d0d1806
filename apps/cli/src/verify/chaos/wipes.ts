/**
 * Faults in which a safekeeper loses its disk: its process is there again at once, and knows nothing. What a person does then,
 * asking for it or another one as a member, is part of each. Whether the disk may be lost is for `Members.lose` to say (K3).
 */
import type { SeededRandom } from '@neon/simulation';
import type { Effect } from './fault';
import {
  MIDST_OF_CHANGE_MS,
  type Drawn,
  type Members,
  type Recipe,
  type Stage,
  majority,
  some,
  without,
} from './stage';

const replaceWiped =
  (name: string, afterwards: (lost: string, stage: Stage, random: SeededRandom) => Members): Recipe =>
  (random, stage) => {
    const lost = random.pick(stage.members);
    const members = afterwards(lost, stage, random);
    const effect: Effect = {
      kind: 'both',
      first: { kind: 'wipe', service: lost },
      then: { kind: 'change', members },
      gapMs: random.between(0, MIDST_OF_CHANGE_MS),
    };
    return { name, effect, members };
  };

/** What it may have said for the change already was of a disk that is lost; it is replaced in its turn. */
const wipeInChange: Recipe = (random, stage) => {
  const changing = without(random.pick(stage.members), stage, random);
  const lost = random.pick(changing);
  const members = random.chance(0.5) ? without(lost, { ...stage, members: changing }, random) : changing;
  const gapMs = random.between(0, MIDST_OF_CHANGE_MS);
  const wipe: Effect = {
    kind: 'both',
    first: { kind: 'wipe', service: lost },
    then: { kind: 'change', members },
    gapMs: random.between(0, MIDST_OF_CHANGE_MS),
  };
  const effect: Effect = { kind: 'both', first: { kind: 'change', members: changing }, then: wipe, gapMs };
  return { name: 'wipe safekeeper amid a change', effect, members };
};

/** Those that are there are a majority only with the one that has lost its disk. */
const wipeOfMajority: Recipe = (random, stage) => {
  const down = majority(stage.members, random);
  const [lost = stage.members[0]] = some(down, 1, random);
  const killed = down.filter((each) => each !== lost);
  const members = random.chance(0.5) ? without(lost, stage, random) : stage.members;
  const effect: Effect = {
    kind: 'both',
    first: { kind: 'changeAfterwards', members },
    then: {
      kind: 'both',
      first: { kind: 'wipe', service: lost },
      then: { kind: 'kill', services: killed },
      gapMs: 0,
    },
    gapMs: 0,
  };
  return { name: 'wipe safekeeper, kill the others of a majority', effect, downSafekeepers: killed, members };
};

/** Where all are members, one that has just left them. */
const wipeSpare: Recipe = (random, stage) => {
  const name = 'wipe spare safekeeper';
  const [spare] = some(
    stage.safekeepers.filter((safekeeper) => !stage.members.includes(safekeeper)),
    1,
    random,
  );
  if (spare !== undefined) return { name, effect: { kind: 'wipe', service: spare } };
  return wipeFormer(random, stage, name);
};

function wipeFormer(random: SeededRandom, stage: Stage, name: string): Drawn {
  const leaving = random.pick(stage.members);
  const members = without(leaving, stage, random);
  const effect: Effect = {
    kind: 'both',
    first: { kind: 'change', members },
    then: { kind: 'wipe', service: leaving },
    gapMs: random.between(0, 2 * MIDST_OF_CHANGE_MS),
  };
  return { name, effect, members };
}

export const WIPE_RECIPES: readonly Recipe[] = [
  replaceWiped('replace wiped safekeeper by another', without),
  replaceWiped('replace wiped safekeeper by its next disk', (_lost, { members }) => members),
  wipeInChange,
  wipeOfMajority,
];

/** Of safekeepers that are no members when the fault is there, or soon after. */
export const WIPE_OTHERS_RECIPES: readonly Recipe[] = [
  wipeSpare,
  (random, stage) => wipeFormer(random, stage, 'replace member, and wipe it'),
];
