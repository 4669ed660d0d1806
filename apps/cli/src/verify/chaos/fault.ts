/** What is done to an installation, as a value. */
import { unreachable } from '@neon/kernel';

/** One way: what `from` sends to `to`. */
export interface Link {
  readonly from: string;
  readonly to: string;
}

export type Effect =
  | { readonly kind: 'kill' | 'pause' | 'starve'; readonly services: readonly string[] }
  | { readonly kind: 'killPostgres' | 'pausePostgres' | 'load' }
  | { readonly kind: 'cut' | 'flap'; readonly links: readonly Link[] }
  | { readonly kind: 'fill'; readonly service: string }
  | { readonly kind: 'swap'; readonly first: readonly string[]; readonly then: readonly string[] }
  /** Its disk is lost: it is killed, and runs again at once on an empty one. */
  | { readonly kind: 'wipe'; readonly service: string }
  /** Who shall keep the WAL from now on; from the end of the fault on. */
  | { readonly kind: 'change' | 'changeAfterwards'; readonly members: readonly string[] }
  | { readonly kind: 'both'; readonly first: Effect; readonly then: Effect; readonly gapMs: number };

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

const LINKS_SHOWN = 4;

/** For people. */
export function describe({ name, effect }: Pick<Fault, 'name' | 'effect'>): string {
  const what = objectOf(effect);
  return what === '' ? name : `${name} (${what})`;
}

function objectOf(effect: Effect): string {
  switch (effect.kind) {
    case 'kill':
    case 'pause':
    case 'starve':
      return effect.services.join(', ');
    case 'killPostgres':
    case 'pausePostgres':
    case 'load':
      return '';
    case 'cut':
    case 'flap':
      return linksText(effect.links);
    case 'fill':
    case 'wipe':
      return effect.service;
    case 'swap':
      return `${effect.first.join(', ')}; ${effect.then.join(', ')}`;
    case 'change':
    case 'changeAfterwards':
      return `to ${effect.members.join(', ')}`;
    case 'both':
      return [effect.first, effect.then]
        .map(objectOf)
        .filter((text) => text !== '')
        .join('; ');
    default:
      return unreachable(effect);
  }
}

function linksText(links: readonly Link[]): string {
  const shown = links.length > LINKS_SHOWN ? links.slice(0, 1) : links;
  return `${shown.map(({ from, to }) => `${from} to ${to}`).join(', ')}${shown.length < links.length ? ', …' : ''}`;
}
