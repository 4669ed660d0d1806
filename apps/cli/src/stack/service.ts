/** One process of the stack, as a value: where and how to start it, how to know it is well, how to recognise it. */
import type { Place } from './place';

export interface Service {
  readonly name: string;
  readonly place: Place;
  /** The port a person would ask about. */
  readonly port: number;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** It works when this URL answers 200, or (a server without HTTP) when this port accepts connections. */
  readonly health: { readonly url: string } | { readonly tcpPort: number };
  /** Runs as this user; null: as we do. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  /** Asked to stop with this signal. */
  readonly stopSignal: NodeJS.Signals;
}
