import fc from 'fast-check';
import { type AccessState, type AccessStep, planAccess } from './access-plan';
import { quoteIdentifier, quoteLiteral } from './sql-quote';

const EMPTY: AccessState = {
  roles: [],
  databases: ['postgres', 'template0', 'template1'].map((name) => ({
    name,
    owner: 'cloud_admin',
    allowsConnections: name !== 'template0',
  })),
};
const SPEC = {
  pgMajor: 17,
  roles: [{ name: 'alice', verifier: 'SCRAM-SHA-256$4096:c2FsdA==$a:b' }],
  databases: [{ name: 'neondb', owner: 'alice' }],
  dropped: { roles: [], databases: [] },
};
const CONVERGED: AccessState = {
  roles: [
    {
      name: 'neon_superuser',
      verifier: null,
      hasAttributes: false,
      createsRoles: true,
      isMember: false,
      reachesHost: false,
    },
    {
      name: 'alice',
      verifier: 'SCRAM-SHA-256$4096:c2FsdA==$a:b',
      hasAttributes: true,
      createsRoles: true,
      isMember: true,
      reachesHost: false,
    },
  ],
  databases: [...EMPTY.databases, { name: 'neondb', owner: 'alice', allowsConnections: true }],
};
function stepsOf(existing: AccessState, spec: Parameters<typeof planAccess>[1]): AccessStep[] {
  const { wanted, drops } = planAccess(existing, spec);
  return [...wanted, ...drops.flatMap(({ steps }) => steps)];
}
const sqlOf = (...given: Parameters<typeof stepsOf>): string[] => stepsOf(...given).map((step) => step.sql);

describe('the plan for roles and databases', () => {
  it('makes the group, then roles with its attributes, then databases, in an empty cluster', () => {
    expect(sqlOf(EMPTY, SPEC)).toEqual([
      'CREATE ROLE "neon_superuser" NOLOGIN CREATEDB CREATEROLE BYPASSRLS NOREPLICATION',
      'GRANT pg_read_all_data, pg_write_all_data TO "neon_superuser"',
      'GRANT pg_monitor, pg_signal_backend, pg_create_subscription TO "neon_superuser" WITH ADMIN OPTION',
      `CREATE ROLE "alice" LOGIN CREATEDB CREATEROLE BYPASSRLS NOREPLICATION PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$a:b' IN ROLE "neon_superuser"`,
      'CREATE DATABASE "neondb" OWNER "alice"',
      'GRANT ALL PRIVILEGES ON DATABASE "neondb" TO "neon_superuser"',
    ]);
  });

  it('is empty when nothing differs (R1)', () => {
    expect(planAccess(CONVERGED, SPEC)).toEqual({ wanted: [], drops: [] });
  });

  it('alters only what differs of a role', () => {
    expect(sqlOf(CONVERGED, { ...SPEC, roles: [{ name: 'alice', verifier: null }] })).toEqual([
      'ALTER ROLE "alice" PASSWORD NULL',
    ]);
  });

  it('asks for the attributes of a role, so that no customer can pose as the synchronous standby (R5)', () => {
    const roles = CONVERGED.roles.map((role) => ({ ...role, hasAttributes: false }));
    expect(sqlOf({ ...CONVERGED, roles }, SPEC)).toEqual([
      'ALTER ROLE "alice" LOGIN CREATEDB CREATEROLE BYPASSRLS NOREPLICATION',
    ]);
  });

  describe.each([14, 15])('in Postgres %i (R6)', (pgMajor) => {
    it('gives nobody CREATEROLE', () => {
      const sql = sqlOf(EMPTY, { ...SPEC, pgMajor }).join('\n');
      expect(sql.match(/NOCREATEROLE/g)).toHaveLength(2);
      expect(sql).not.toMatch(/ CREATEROLE/);
    });

    it('takes it away, from the group too, which anybody may set as their role', () => {
      expect(sqlOf(CONVERGED, { ...SPEC, pgMajor })).toEqual([
        'ALTER ROLE "neon_superuser" CREATEDB NOCREATEROLE BYPASSRLS NOREPLICATION',
        'ALTER ROLE "alice" LOGIN CREATEDB NOCREATEROLE BYPASSRLS NOREPLICATION',
      ]);
    });
  });

  it('takes roles that reach the host from whoever has one (R6)', () => {
    const roles = CONVERGED.roles.map((role) => ({ ...role, reachesHost: role.name === 'alice' }));
    expect(sqlOf({ ...CONVERGED, roles }, SPEC)).toEqual([
      'REVOKE pg_execute_server_program, pg_read_server_files, pg_write_server_files FROM "alice"',
    ]);
  });

  it('moves a database to its wanted owner', () => {
    const roles = [...SPEC.roles, { name: 'bob', verifier: null }];
    expect(sqlOf(CONVERGED, { ...SPEC, roles, databases: [{ name: 'neondb', owner: 'bob' }] })).toContain(
      'ALTER DATABASE "neondb" OWNER TO "bob"',
    );
  });

  it('empties a dropped role in every database before it drops it (R4)', () => {
    const plan = stepsOf(CONVERGED, { ...SPEC, roles: [], dropped: { roles: ['alice'], databases: [] } });
    expect(plan.map((step) => `${step.database}: ${step.sql}`)).toEqual([
      'postgres: REASSIGN OWNED BY "alice" TO "cloud_admin"',
      'postgres: DROP OWNED BY "alice"',
      'template1: REASSIGN OWNED BY "alice" TO "cloud_admin"',
      'template1: DROP OWNED BY "alice"',
      'neondb: REASSIGN OWNED BY "alice" TO "cloud_admin"',
      'neondb: DROP OWNED BY "alice"',
      'postgres: DROP ROLE IF EXISTS "alice"',
    ]);
  });

  it('drops a database once, and leaves absent ones alone', () => {
    const spec = { ...SPEC, databases: [], dropped: { roles: ['nobody'], databases: ['neondb', 'gone'] } };
    expect(sqlOf(CONVERGED, spec)).toEqual(['DROP DATABASE IF EXISTS "neondb" WITH (FORCE)']);
  });

  it.each([['cloud_admin'], ['neon_superuser'], ['pg_monitor']])('refuses to touch the role %s (R3)', (role) => {
    expect(() => planAccess(EMPTY, { ...SPEC, roles: [{ name: role, verifier: null }] })).toThrow('protected names');
    expect(() => planAccess(EMPTY, { ...SPEC, dropped: { roles: [role], databases: [] } })).toThrow('protected names');
  });

  it('refuses a database whose owner nobody makes', () => {
    expect(() => planAccess(EMPTY, { ...SPEC, roles: [] })).toThrow('its owner alice does not exist');
  });
});

describe('SQL text', () => {
  it('holds any name and any text', () => {
    expect(quoteIdentifier('a"b')).toBe('"a""b"');
    expect(quoteLiteral("it's")).toBe("'it''s'");
    expect(quoteLiteral('a\\b')).toBe("E'a\\\\b'");
    fc.assert(
      fc.property(fc.string(), (text) => {
        const quotes = quoteIdentifier(text.replaceAll('\0', '')).slice(1, -1).match(/"+/g) ?? [];
        expect(quotes.every((run) => run.length % 2 === 0)).toBe(true);
      }),
    );
  });

  it('refuses a NUL', () => {
    expect(() => quoteIdentifier('a\0b')).toThrow(RangeError);
    expect(() => quoteLiteral('\0')).toThrow(RangeError);
  });
});
