import { given } from '@neon/event-sourcing';
import { type BranchEvent, branchDecider } from './branch';

const owner = { name: 'owner', verifier: 'v', secretId: 's' };
const neondb = { databaseId: 1, name: 'neondb', ownerName: 'owner' };
const cluster = { systemId: '7', walSegmentSize: 16_777_216 };
const created: BranchEvent = {
  type: 'BranchCreated',
  branchId: 'br-1',
  projectId: 'p',
  origin: null,
  annotation: {},
  catalog: { roles: [owner], databases: [neondb], drops: { roles: [], databases: [] } },
};
const role = (name: string) => ({ name, verifier: 'v', secretId: null });

describe('a branch', () => {
  it('B1: has each role and each database once', () => {
    given(branchDecider, created)
      .when({ type: 'CreateRole', role: role('owner') })
      .refused('RoleExists');
    given(branchDecider, created)
      .when({ type: 'CreateRole', role: role('ann') })
      .then({ type: 'RoleCreated', role: role('ann') });
    given(branchDecider, created)
      .when({ type: 'CreateDatabase', database: { ...neondb, databaseId: 2 } })
      .refused('DatabaseExists');
  });

  it('B2: keeps the owner of a database, and has no database without an owner', () => {
    given(branchDecider, created).when({ type: 'DeleteRole', name: 'owner' }).refused('RoleOwnsDatabase');
    given(branchDecider, created, { type: 'DatabaseDeleted', name: 'neondb' })
      .when({ type: 'DeleteRole', name: 'owner' })
      .then({ type: 'RoleDeleted', name: 'owner' });
    given(branchDecider, created)
      .when({ type: 'CreateDatabase', database: { databaseId: 2, name: 'shop', ownerName: 'nobody' } })
      .refused('RoleNotFound');
  });

  it('B3: remembers what was deleted until it was applied, and forgets it when the name is taken again', () => {
    const deleted: BranchEvent = { type: 'DatabaseDeleted', name: 'neondb' };
    const drops = (...events: BranchEvent[]) => given(branchDecider, created, ...events).state?.catalog.drops.databases;
    expect(drops(deleted)).toEqual(['neondb']);
    expect(drops(deleted, { type: 'DropsApplied', drops: { roles: [], databases: ['neondb'] } })).toEqual([]);
    expect(drops(deleted, { type: 'DatabaseCreated', database: { ...neondb, databaseId: 2 } })).toEqual([]);
  });

  it.each(['pg_monitor', 'neon_superuser', 'cloud_admin', 'zenith_admin', 'public', 'none'])(
    'B4: refuses the role name %s',
    (name) =>
      given(branchDecider, created)
        .when({ type: 'CreateRole', role: role(name) })
        .refused('NameReserved'),
  );

  it('B4: counts names in bytes', () => {
    const create = (name: string) => given(branchDecider, created).when({ type: 'CreateRole', role: role(name) });
    create('x'.repeat(63)).then({ type: 'RoleCreated', role: role('x'.repeat(63)) });
    create('x'.repeat(64)).refused('NameInvalid');
    create('é'.repeat(32)).refused('NameInvalid');
    create('').refused('NameInvalid');
    create('a\nb').refused('NameInvalid');
    given(branchDecider, created)
      .when({ type: 'CreateDatabase', database: { ...neondb, name: 'template1' } })
      .refused('NameReserved');
  });

  it('becomes ready once, and takes nothing after its end', () => {
    const ready: BranchEvent = { type: 'BranchReady', parentLsn: null, cluster };
    given(branchDecider, created).when({ type: 'MarkBranchReady', parentLsn: null, cluster }).then(ready);
    given(branchDecider, created, ready).when({ type: 'MarkBranchReady', parentLsn: null, cluster }).then();
    given(branchDecider, created, { type: 'BranchDeleted' }).when({ type: 'DeleteBranch' }).refused('BranchNotFound');
    given(branchDecider).when({ type: 'DeleteBranch' }).refused('BranchNotFound');
  });
});
