import { computePaths } from './compute-paths';

describe('the paths of a compute', () => {
  it('are below its own directory', () => {
    expect(computePaths('/data', undefined, 'ep-a')).toMatchObject({
      root: '/data/computes/ep-a',
      data: '/data/computes/ep-a/data',
      sockets: '/data/computes/ep-a/sockets',
      pagesSocket: '/data/computes/ep-a/sockets/pages',
    });
  });

  it('have sockets elsewhere when their names would be too long, a place for each compute', () => {
    const deep = `/${'d'.repeat(100)}`;
    const first = computePaths(deep, undefined, 'ep-a').sockets;
    const second = computePaths(deep, '/run/neon', 'ep-b').sockets;
    for (const sockets of [first, second]) expect(`${sockets}/.s.PGSQL.65535.lock`.length).toBeLessThan(108);
    expect(second).toMatch(/^\/run\/neon\//);
    expect(computePaths(deep, '/run/neon', 'ep-a').sockets).not.toBe(second);
  });

  it.each([['../x'], ['a/b'], [''], ['.'], ['-x'], ['a b']])('refuse the id %j', (id) => {
    expect(() => computePaths('/data', undefined, id)).toThrow('not a compute id');
  });
});
