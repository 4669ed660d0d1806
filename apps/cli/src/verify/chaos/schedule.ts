/**
 * The faults of a chaos run, decided by a seed before it begins. There are three tracks: faults of the safekeepers that keep
 * the WAL, changes of who they are, faults of everything else. On each of them one fault follows the other with a pause
 * between two; what is on different tracks meets.
 *
 *   S1  The same seed and options give the same faults.
 *   S2  At most one fault at a time is of the safekeepers: whatever else is broken, a quorum is whole but for the faults that
 *       are meant to break it, and those name the safekeepers that are down.
 *   S3  Every fault ends before the run does.
 *   S4  Every kind of a track comes once before any comes again.
 *   S5  Faults of safekeepers are of those that keep the WAL once every change before has been carried out.
 */
import { SeededRandom } from '@neon/simulation';
import type { Fault } from './fault';
import {
  MEMBER_RECIPES,
  OTHER_LINK_RECIPES,
  OTHER_RECIPES,
  SAFEKEEPER_LINK_RECIPES,
  SAFEKEEPER_RECIPES,
  fillDisk,
} from './recipes';
import type { Machines, Members, Recipe } from './stage';

export interface ScheduleOptions {
  readonly machines: Machines;
  /** Who keep the WAL when it begins. */
  readonly members: Members;
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

interface Track {
  readonly recipes: readonly Recipe[];
  bag: Recipe[];
  next: { readonly beginMs: number; readonly endMs: number };
}

/** In the order in which they begin. */
export function schedule(seed: number, options: ScheduleOptions): Fault[] {
  const { machines, durationMs } = options;
  const random = new SeededRandom(seed);
  let { members } = options;
  const tracks = recipesOf(options).map((recipes): Track => ({
    recipes,
    bag: [],
    next: spanAfter(0, random, options),
  }));
  const faults: Fault[] = [];
  for (;;) {
    const [track] = tracks
      .filter(({ next }) => next.endMs <= durationMs)
      .sort((left, right) => left.next.beginMs - right.next.beginMs);
    if (track === undefined) return faults;
    const drawn = takeFrom(track, random)(random, { ...machines, members });
    const { name, effect, downSafekeepers = [], endingMs = 0 } = drawn;
    const isInTime = track.next.endMs + endingMs <= durationMs;
    if (isInTime) {
      faults.push({ name, effect, downSafekeepers, endingMs, ...track.next });
      members = drawn.members ?? members;
    }
    track.next = spanAfter(track.next.endMs + endingMs, random, options);
  }
}

const recipesOf = ({ canCut, fillable }: ScheduleOptions): Recipe[][] => [
  [
    ...SAFEKEEPER_RECIPES,
    ...(canCut ? SAFEKEEPER_LINK_RECIPES : []),
    ...(fillable === null ? [] : [fillDisk(fillable)]),
  ],
  [...MEMBER_RECIPES],
  [...OTHER_RECIPES, ...(canCut ? OTHER_LINK_RECIPES : [])],
];

function spanAfter(atMs: number, random: SeededRandom, { faultMs, pauseMs }: ScheduleOptions): Track['next'] {
  const beginMs = atMs + random.between(pauseMs.min, pauseMs.max + 1);
  return { beginMs, endMs: beginMs + random.between(faultMs.min, faultMs.max + 1) };
}

/** S4. */
function takeFrom(track: Track, random: SeededRandom): Recipe {
  if (track.bag.length === 0) track.bag = [...track.recipes];
  const [recipe] = track.bag.splice(random.between(0, track.bag.length), 1);
  if (recipe === undefined) throw new Error('a track has recipes');
  return recipe;
}
