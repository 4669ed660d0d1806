/**
 * An endpoint: an address that clients connect to, and whether a compute runs behind it.
 *
 *   E1  `active` says on which host and where; only a start makes it active.
 *   E2  While a start or a suspension is under way, `pending` names the state it leads to.
 *   E3  A compute that ended by itself leaves the endpoint idle: the next connection wakes it. News about another host's
 *       compute than the one that serves changes nothing.
 */
import type { Decider } from '@neon/event-sourcing';
import { Refusal, unreachable } from '@neon/kernel';
import { z } from 'zod';
import { EndpointKind, EndpointSettings } from '../project/settings';

export const ComputeLocation = z.object({ hostId: z.string(), host: z.string(), port: z.number().int() });
export type ComputeLocation = z.infer<typeof ComputeLocation>;

export const SuspendReason = z.enum(['requested', 'idle', 'crashed', 'fenced', 'host-stopped', 'host-lost']);
export type SuspendReason = z.infer<typeof SuspendReason>;

export const EndpointEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('EndpointCreated'),
    endpointId: z.string(),
    projectId: z.string(),
    branchId: z.string(),
    kind: EndpointKind,
    name: z.string().nullable(),
    settings: EndpointSettings,
  }),
  z.object({ type: z.literal('EndpointUpdated'), settings: EndpointSettings, disabled: z.boolean() }),
  z.object({ type: z.literal('EndpointStartRequested') }),
  z.object({ type: z.literal('EndpointStarted'), location: ComputeLocation, at: z.number() }),
  z.object({ type: z.literal('EndpointSuspendRequested'), reason: SuspendReason }),
  z.object({ type: z.literal('EndpointSuspended'), reason: SuspendReason }),
  /** The change under way was given up. */
  z.object({ type: z.literal('EndpointChangeAbandoned') }),
  z.object({ type: z.literal('EndpointDeletionRequested') }),
  z.object({ type: z.literal('EndpointDeleted') }),
]);
export type EndpointEvent = z.infer<typeof EndpointEvent>;

export type Compute =
  | { readonly status: 'init' }
  | { readonly status: 'idle' }
  | { readonly status: 'active'; readonly location: ComputeLocation; readonly startedAt: number };

export type Pending = null | { readonly to: 'active' } | { readonly to: 'idle'; readonly reason: SuspendReason };

export interface Endpoint {
  readonly endpointId: string;
  readonly projectId: string;
  readonly branchId: string;
  readonly kind: EndpointKind;
  readonly settings: EndpointSettings;
  readonly disabled: boolean;
  readonly life: 'live' | 'deleting' | 'deleted';
  readonly compute: Compute;
  readonly pending: Pending;
}

export type EndpointCommand =
  | {
      readonly type: 'CreateEndpoint';
      readonly endpointId: string;
      readonly projectId: string;
      readonly branchId: string;
      readonly kind: EndpointKind;
      readonly name: string | null;
      readonly settings: EndpointSettings;
    }
  | { readonly type: 'UpdateEndpoint'; readonly settings: Partial<EndpointSettings>; readonly disabled?: boolean }
  | { readonly type: 'RequestStart' }
  | { readonly type: 'MarkStarted'; readonly location: ComputeLocation; readonly at: number }
  | { readonly type: 'RequestSuspend'; readonly reason: SuspendReason }
  | { readonly type: 'MarkSuspended' }
  | { readonly type: 'MarkEnded'; readonly hostId: string; readonly reason: SuspendReason }
  | { readonly type: 'AbandonChange' }
  | { readonly type: 'RequestDeletion' }
  | { readonly type: 'DeleteEndpoint' };

export const endpointDecider: Decider<Endpoint | null, EndpointCommand, EndpointEvent> = {
  kind: 'endpoint',
  initial: null,
  event: EndpointEvent,
  decide,
  evolve,
};

/** @throws Refusal `EndpointNotFound` */
export function liveEndpoint(endpoint: Endpoint | null): Endpoint {
  if (endpoint === null || endpoint.life !== 'live') throw new Refusal('EndpointNotFound', 'endpoint not found');
  return endpoint;
}

function decide(command: EndpointCommand, endpoint: Endpoint | null): readonly EndpointEvent[] {
  if (command.type === 'CreateEndpoint') {
    if (endpoint !== null) throw new Refusal('EndpointExists', 'the endpoint exists');
    return [{ ...command, type: 'EndpointCreated' }];
  }
  // What was under way when it was deleted has nothing left to withdraw.
  if (command.type === 'AbandonChange' && endpoint?.life === 'deleted') return [];
  if (endpoint === null || endpoint.life === 'deleted') throw new Refusal('EndpointNotFound', 'endpoint not found');
  const { compute, pending } = endpoint;
  switch (command.type) {
    case 'UpdateEndpoint':
      liveEndpoint(endpoint);
      return [
        {
          type: 'EndpointUpdated',
          settings: { ...endpoint.settings, ...command.settings },
          disabled: command.disabled ?? endpoint.disabled,
        },
      ];
    case 'RequestStart':
      if (liveEndpoint(endpoint).disabled) throw new Refusal('EndpointDisabled', 'endpoint is disabled');
      return pending === null ? [{ type: 'EndpointStartRequested' }] : [];
    case 'MarkStarted':
      return [{ type: 'EndpointStarted', location: command.location, at: command.at }];
    case 'RequestSuspend':
      return pending === null ? [{ type: 'EndpointSuspendRequested', reason: command.reason }] : [];
    case 'MarkSuspended':
      return [{ type: 'EndpointSuspended', reason: pending?.to === 'idle' ? pending.reason : 'requested' }];
    case 'MarkEnded':
      return compute.status === 'active' && compute.location.hostId === command.hostId && pending === null
        ? [{ type: 'EndpointSuspended', reason: command.reason }]
        : [];
    case 'AbandonChange':
      return pending === null ? [] : [{ type: 'EndpointChangeAbandoned' }];
    case 'RequestDeletion':
      liveEndpoint(endpoint);
      return [{ type: 'EndpointDeletionRequested' }];
    case 'DeleteEndpoint':
      return [{ type: 'EndpointDeleted' }];
    default:
      return unreachable(command);
  }
}

function evolve(endpoint: Endpoint | null, event: EndpointEvent): Endpoint | null {
  if (event.type === 'EndpointCreated') {
    const { type: _type, name: _name, ...created } = event;
    return { ...created, disabled: false, life: 'live', compute: { status: 'init' }, pending: null };
  }
  if (endpoint === null) return null;
  switch (event.type) {
    case 'EndpointUpdated':
      return { ...endpoint, settings: event.settings, disabled: event.disabled };
    case 'EndpointStartRequested':
      return { ...endpoint, pending: { to: 'active' } };
    case 'EndpointStarted': {
      const compute: Compute = { status: 'active', location: event.location, startedAt: event.at };
      return { ...endpoint, compute, pending: null };
    }
    case 'EndpointSuspendRequested':
      return { ...endpoint, pending: { to: 'idle', reason: event.reason } };
    case 'EndpointSuspended':
      return { ...endpoint, compute: { status: 'idle' }, pending: null };
    case 'EndpointChangeAbandoned':
      return { ...endpoint, pending: null };
    case 'EndpointDeletionRequested':
      return { ...endpoint, life: 'deleting' };
    case 'EndpointDeleted':
      return { ...endpoint, life: 'deleted', pending: null };
    default:
      return unreachable(event);
  }
}
