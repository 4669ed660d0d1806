import { pgHba, pgIdent, postgresConf } from './postgres-conf';

const ADDRESS = { listenHost: '127.0.0.1', port: 5555, socketDir: '/run/x', standbyName: 'walproposer_01' };

describe('postgresql.conf', () => {
  it.each([
    'hba_file',
    'External_Pid_File',
    'session_preload_libraries',
    'archive_command',
    'archive_library',
    'include_dir',
    'ssl_key_file',
    'debug_io_direct',
    'dynamic_library_path',
  ])('refuses %s, by which the host is reached, or the shim passed by (C4)', (setting) => {
    expect(() => postgresConf({ [setting]: 'x' }, ADDRESS, 17)).toThrow('settings that cannot be chosen');
  });

  it('reads files by nothing but processes (C4)', () => {
    const conf = postgresConf({ io_method: 'io_uring' }, ADDRESS, 18);
    expect(conf.match(/^io_method.*$/gm)).toEqual(["io_method = 'worker'"]);
    expect(postgresConf({}, ADDRESS, 17)).not.toContain('io_method');
  });

  it('takes settings of the spec over defaults', () => {
    expect(postgresConf({ shared_buffers: '1GB' }, ADDRESS, 17)).toContain("shared_buffers = '1GB'\n");
  });

  it('keeps what durability rests on, whatever the spec says (C1)', () => {
    const conf = postgresConf({ synchronous_standby_names: '', fsync: 'on', FSYNC: 'on', port: '1' }, ADDRESS, 17);
    expect(conf).toContain("synchronous_standby_names = 'walproposer_01'\n");
    expect(conf).toContain("fsync = 'off'\n");
    expect(conf).toContain("port = '5555'\n");
    expect(conf.match(/^(port|fsync) = /gim)).toHaveLength(2);
  });

  it('quotes values as Postgres unquotes them (C2)', () => {
    expect(postgresConf({ log_line_prefix: "a'b\\c" }, ADDRESS, 17)).toContain("log_line_prefix = 'a''b\\\\c'\n");
  });

  it.each([['a\nfsync'], ['x = y'], ['']])('refuses the setting name %j', (name) => {
    expect(() => postgresConf({ [name]: 'on' }, ADDRESS, 17)).toThrow('not the name of a setting');
  });

  it('refuses a value of several lines and a WAL level below replica', () => {
    expect(() => postgresConf({ work_mem: '1\nfsync=on' }, ADDRESS, 17)).toThrow('one line');
    expect(() => postgresConf({ wal_level: 'minimal' }, ADDRESS, 17)).toThrow('wal_level');
    expect(postgresConf({ wal_level: 'logical' }, ADDRESS, 17)).toContain("wal_level = 'logical'");
  });
});

describe('pg_hba.conf', () => {
  it('trusts nobody (C3)', () => {
    const rules = pgHba('127.0.0.1').trimEnd().split('\n');
    expect(rules.map((rule) => rule.split(' ').slice(-1)[0])).toEqual([
      'map=agent',
      'map=agent',
      'reject',
      'scram-sha-256',
    ]);
    expect(rules[2]).toBe('host all cloud_admin all reject');
    expect(rules[3]).toBe('host all all 127.0.0.1/32 scram-sha-256');
    expect(pgHba('0.0.0.0')).toContain('host all all all scram-sha-256');
    expect(pgIdent('root')).toBe('agent "root" cloud_admin\n');
  });
});
