import { given } from '@neon/event-sourcing';
import { type Chain, runnable } from './chain';
import { type ProjectEvent, projectDecider } from './project';
import { DEFAULT_ENDPOINT_SETTINGS } from './settings';

const settings = {
  name: 'shop',
  historyRetentionSeconds: 604_800,
  defaultEndpointSettings: DEFAULT_ENDPOINT_SETTINGS,
  allowedIps: { ips: [], protectedBranchesOnly: false },
};
const created: ProjectEvent = {
  type: 'ProjectCreated',
  projectId: 'calm-sea-00000001',
  pgVersion: 17,
  regionId: 'aws-us-east-2',
  storePasswords: true,
  settings,
};
const branch = (branchId: string, name: string, parentId: string | null): ProjectEvent => ({
  type: 'BranchAdded',
  branchId,
  name,
  parentId,
  isDefault: parentId === null,
});
const main = branch('br-main', 'main', null);
const dev = branch('br-dev', 'dev', 'br-main');
const endpoint: ProjectEvent = { type: 'EndpointAdded', endpointId: 'ep-1', branchId: 'br-main', kind: 'read_write' };
const chain = (chainId: string, scope: Chain['scope'], endpointIds: string[], ...operationIds: string[]): Chain => ({
  chainId,
  scope,
  endpointIds,
  operations: operationIds.map((operationId) => ({
    operationId,
    action: 'start_compute' as const,
    branchId: 'br-main',
    endpointId: endpointIds[0] ?? null,
  })),
});
const opened = (value: Chain): ProjectEvent => ({ type: 'ChainOpened', chain: value });

describe('a project', () => {
  it('J1: has no two branches of one name, and a name is free again when its holder is renamed', () => {
    const add = { type: 'AddBranch', branchId: 'br-new', name: 'dev', parentId: 'br-main' } as const;
    given(projectDecider, created, main, dev).when(add).refused('BranchNameTaken');
    const renamed: ProjectEvent = { type: 'BranchRenamed', branchId: 'br-dev', name: 'old-dev' };
    given(projectDecider, created, main, dev, renamed)
      .when(add)
      .then(branch('br-new', 'dev', 'br-main'));
    given(projectDecider, created, main, dev)
      .when({ type: 'RenameBranch', branchId: 'br-dev', name: 'main' })
      .refused('BranchNameTaken');
    given(projectDecider, created, main, dev).when({ type: 'RenameBranch', branchId: 'br-dev', name: 'dev' }).then();
  });

  it('J2: keeps its root branch, its default branch and every branch with children', () => {
    const check = (branchId: string) => ({ type: 'CheckBranchRemovable', branchId }) as const;
    const leaf = branch('br-leaf', 'leaf', 'br-dev');
    given(projectDecider, created, main).when(check('br-main')).refused('BranchIsRoot');
    given(projectDecider, created, main, dev).when(check('br-main')).refused('BranchHasChildren');
    given(projectDecider, created, main, dev, leaf).when(check('br-dev')).refused('BranchHasChildren');
    given(projectDecider, created, main, dev).when(check('br-dev')).then();
    given(projectDecider, created, main).when(check('br-none')).refused('BranchNotFound');
  });

  it('J3: has one read-write endpoint per branch and any number of read-only ones', () => {
    const add = (kind: 'read_write' | 'read_only') =>
      ({ type: 'AddEndpoint', endpointId: 'ep-2', branchId: 'br-main', kind }) as const;
    const state = [created, main, endpoint];
    given(projectDecider, ...state)
      .when(add('read_write'))
      .refused('EndpointExists');
    given(projectDecider, ...state)
      .when(add('read_only'))
      .then({ ...add('read_only'), type: 'EndpointAdded' });
    given(projectDecider, ...state, { type: 'EndpointRemoved', endpointId: 'ep-1' })
      .when(add('read_write'))
      .then({ ...add('read_write'), type: 'EndpointAdded' });
  });

  it('J4: refuses a chain that conflicts with an open one, unless it may wait', () => {
    const open = (value: Chain, mayWait: boolean) => ({ type: 'OpenChain', chain: value, mayWait }) as const;
    const busy = [created, main, opened(chain('a', 'project', ['ep-1'], 'o1'))];
    given(projectDecider, ...busy)
      .when(open(chain('b', 'project', [], 'o2'), false))
      .refused('ProjectBusy');
    given(projectDecider, ...busy)
      .when(open(chain('b', 'endpoint', ['ep-1'], 'o2'), false))
      .refused('ProjectBusy');
    for (const [value, mayWait] of [
      [chain('b', 'endpoint', ['ep-2'], 'o2'), false],
      [chain('b', 'endpoint', ['ep-1'], 'o2'), true],
    ] as const)
      given(projectDecider, ...busy)
        .when(open(value, mayWait))
        .then(opened(value));
  });

  it('J4, J5: runs the first operation of each chain that has no earlier chain in its way', () => {
    const ids = (...events: ProjectEvent[]) =>
      runnable(given(projectDecider, created, main, ...events).state?.chains ?? []).map((each) => each.operationId);
    const first = opened(chain('a', 'project', ['ep-1'], 'a1', 'a2'));
    const waiting = opened(chain('b', 'endpoint', ['ep-1'], 'b1'));
    const aside = opened(chain('c', 'endpoint', ['ep-2'], 'c1'));
    const closed = (operationId: string): ProjectEvent => ({ type: 'OperationClosed', operationId });
    expect(ids(first, waiting, aside)).toEqual(['a1', 'c1']);
    expect(ids(first, waiting, aside, closed('a1'))).toEqual(['a2', 'c1']);
    expect(ids(first, waiting, aside, closed('a1'), closed('a2'))).toEqual(['b1', 'c1']);
    expect(ids(first, waiting, { type: 'ChainAborted', chainId: 'a' })).toEqual(['b1']);
  });

  it('that is being deleted is not there for people, and takes no changes', () => {
    const deleting = [created, main, { type: 'ProjectDeletionRequested' }] as const;
    given(projectDecider, ...deleting)
      .when({ type: 'UpdateProject', settings: {} })
      .refused('ProjectNotFound');
    given(projectDecider, ...deleting)
      .when({ type: 'RequestProjectDeletion' })
      .refused('ProjectNotFound');
    given(projectDecider, ...deleting)
      .when({ type: 'RemoveBranch', branchId: 'br-main' })
      .then({ type: 'BranchRemoved', branchId: 'br-main' });
  });

  it('is placed once', () => {
    const placement = { pageserverId: 1, safekeeperIds: [1, 2, 3] };
    const placed: ProjectEvent = { type: 'ProjectPlaced', placement };
    given(projectDecider, created).when({ type: 'PlaceProject', placement }).then(placed);
    given(projectDecider, created, placed)
      .when({ type: 'PlaceProject', placement: { ...placement, pageserverId: 2 } })
      .then();
  });
});
