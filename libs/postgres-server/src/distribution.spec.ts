import { distributionOf } from './distribution';

const of = (version: string) => {
  const major = Number(version.split('.')[0]);
  return distributionOf([{ major, version, directory: '/opt/postgres' }], major).version;
};

describe('a distribution', () => {
  it.each(['14.17', '15.12', '16.8', '17.4', '17.0'])(
    'of %s is refused: it forgets synchronous standbys as it starts',
    (version) => {
      expect(() => of(version)).toThrow(`Postgres ${version} in /opt/postgres`);
    },
  );

  it.each(['14.18', '15.13', '16.9', '17.5', '17.10', '18.0'])('of %s is given out', (version) => {
    expect(of(version)).toBe(version);
  });
});
