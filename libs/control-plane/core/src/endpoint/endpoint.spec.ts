import { given } from '@neon/event-sourcing';
import { DEFAULT_ENDPOINT_SETTINGS as settings } from '../project/settings';
import { type EndpointEvent, endpointDecider } from './endpoint';

const created: EndpointEvent = {
  type: 'EndpointCreated',
  endpointId: 'ep-1',
  projectId: 'p',
  branchId: 'br-1',
  kind: 'read_write',
  name: null,
  settings,
};
const location = { hostId: 'host-1', host: '10.0.0.1', port: 6000 };
const started: EndpointEvent = { type: 'EndpointStarted', location, at: 5 };
const ended = (hostId: string) => ({ type: 'MarkEnded', hostId, reason: 'crashed' }) as const;

describe('an endpoint', () => {
  it('E1: is active where its compute was started', () => {
    given(endpointDecider, created).when({ type: 'MarkStarted', location, at: 5 }).then(started);
    expect(given(endpointDecider, created, started).state?.compute).toEqual({
      status: 'active',
      location,
      startedAt: 5,
    });
  });

  it('E2: says where a change leads, until it is done or given up', () => {
    const requested: EndpointEvent = { type: 'EndpointStartRequested' };
    given(endpointDecider, created).when({ type: 'RequestStart' }).then(requested);
    given(endpointDecider, created, requested).when({ type: 'RequestStart' }).then();
    given(endpointDecider, created, requested).when({ type: 'RequestSuspend', reason: 'idle' }).then();
    expect(given(endpointDecider, created, requested).state?.pending).toEqual({ to: 'active' });
    given(endpointDecider, created, requested)
      .when({ type: 'AbandonChange' })
      .then({ type: 'EndpointChangeAbandoned' });
    given(endpointDecider, created, started, { type: 'EndpointSuspendRequested', reason: 'idle' })
      .when({ type: 'MarkSuspended' })
      .then({ type: 'EndpointSuspended', reason: 'idle' });
  });

  it('E3: sleeps when its own compute ended, and does not heed news of another', () => {
    given(endpointDecider, created, started)
      .when(ended('host-1'))
      .then({ type: 'EndpointSuspended', reason: 'crashed' });
    given(endpointDecider, created, started).when(ended('host-2')).then();
    given(endpointDecider, created).when(ended('host-1')).then();
    given(endpointDecider, created, started, { type: 'EndpointSuspendRequested', reason: 'requested' })
      .when(ended('host-1'))
      .then();
  });

  it('that is disabled or being deleted does not start', () => {
    given(endpointDecider, created, { type: 'EndpointUpdated', settings, disabled: true })
      .when({ type: 'RequestStart' })
      .refused('EndpointDisabled');
    given(endpointDecider, created, { type: 'EndpointDeletionRequested' })
      .when({ type: 'RequestStart' })
      .refused('EndpointNotFound');
  });
});
