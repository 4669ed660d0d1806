import { ComputeSpec } from './spec';

const SAFEKEEPER = { id: 1, host: '127.0.0.1', proposerPort: 1, replicationPort: 2 };
const SPEC = {
  version: 1,
  computeId: 'ep-quiet-river-12345678',
  tenantId: '1'.repeat(32),
  timelineId: '2'.repeat(32),
  pgMajor: 17,
  systemId: '7000000000000000001',
  walSegmentSize: 16 * 1024 * 1024,
  pageserver: { host: '127.0.0.1', pagePort: 1 },
  membershipGeneration: 1,
  safekeepers: [SAFEKEEPER, { ...SAFEKEEPER, id: 2 }, { ...SAFEKEEPER, id: 3 }],
  token: 't',
  roles: [],
  databases: [],
  dropped: { roles: [], databases: [] },
  settings: {},
};

describe('a compute spec', () => {
  it('names each safekeeper once: one that counts twice would be a quorum alone', () => {
    expect(ComputeSpec.parse(SPEC).safekeepers).toHaveLength(3);
    const twice = { ...SPEC, safekeepers: [SAFEKEEPER, SAFEKEEPER, { ...SAFEKEEPER, id: 3 }] };
    expect(() => ComputeSpec.parse(twice)).toThrow('safekeepers have different ids');
  });
});
