import { nextActivity } from './activity';

const BEFORE = { lastActiveAt: 1_000, sessions: 3 };

describe('activity of a compute', () => {
  it('is now while a session is not idle (T1)', () => {
    expect(nextActivity(BEFORE, { sessions: 1, busy: 1, lastChangeAt: 500 }, 9_000).lastActiveAt).toBe(9_000);
  });

  it('is the last change of an idle session (T2)', () => {
    expect(nextActivity(BEFORE, { sessions: 1, busy: 0, lastChangeAt: 5_000 }, 9_000)).toEqual({
      lastActiveAt: 5_000,
      sessions: 1,
    });
  });

  it('never goes back, and never lies ahead (T2)', () => {
    expect(nextActivity(BEFORE, { sessions: 0, busy: 0, lastChangeAt: null }, 9_000).lastActiveAt).toBe(1_000);
    expect(nextActivity(BEFORE, { sessions: 1, busy: 0, lastChangeAt: 99_000 }, 9_000).lastActiveAt).toBe(9_000);
  });
});
