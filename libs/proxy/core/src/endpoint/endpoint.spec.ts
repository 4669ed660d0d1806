import fc from 'fast-check';
import { isAddressAllowed, parseAddress } from './allowed-address';
import { computeParameters } from './compute-parameters';
import { parseConnectionOptions } from './connection-options';
import { chooseEndpoint, splitPassword } from './endpoint-choice';

const ID = 'ep-quiet-lake-12345678';
const choose = (serverName: string | null, ...options: string[]) =>
  chooseEndpoint({ serverName, options, domains: ['localhost', 'us-east-2.aws.example.com'] });
const chosen = { kind: 'chosen', endpointId: ID };
const refusedWith = (code: string) => ({ kind: 'refused', error: expect.objectContaining({ code }) });

describe('which endpoint is meant', () => {
  it.each([
    ['E1: the first label of the server name', choose(`${ID}.localhost`), chosen],
    ['E1: under every domain', choose(`${ID}.us-east-2.aws.example.com`), chosen],
    ['E1: whatever its case, and with the root dot', choose(`${ID.toUpperCase()}.LOCALHOST.`), chosen],
    ['E2: the option, without a server name', choose(null, ID), chosen],
    ['E2: the option, under a foreign domain', choose('db.elsewhere.org', ID), chosen],
    ['E2: the option, when it agrees', choose(`${ID}.localhost`, ID), chosen],
    ['E2: never one that disagrees', choose(`${ID}.localhost`, 'ep-other'), refusedWith('EndpointMismatch')],
    ['E2: never two of them', choose(null, ID, 'ep-other'), refusedWith('EndpointMismatch')],
    ['E3: otherwise the password', choose(null), { kind: 'inPassword' }],
    ['E3: a bare domain names none', choose('localhost'), { kind: 'inPassword' }],
    ['a pooled name is not an endpoint', choose(`${ID}-pooler.localhost`), refusedWith('PoolerNotSupported')],
    ['a name that is no label', choose(null, 'a.b'), refusedWith('MalformedEndpoint')],
  ])('%s', (_rule, choice, expected) => expect(choice).toEqual(expected));

  it.each([
    [`endpoint=${ID};se;cr$et`, 'se;cr$et'],
    [`endpoint=${ID}$se;cr$et`, 'se;cr$et'],
    [`project=${ID};`, ''],
  ])('E3: %s holds an endpoint and a password', (text, password) => {
    expect(splitPassword(text)).toEqual({ choice: chosen, password });
  });

  it('E3: a password without one is refused with the way out', () => {
    for (const text of ['', 'secret', 'endpoint=', `endpoint=${ID}`])
      expect(splitPassword(text).choice).toEqual(refusedWith('EndpointNotSpecified'));
  });
});

describe('connection options', () => {
  it.each([
    ['endpoint=ep-a', ['ep-a'], [], ''],
    ['project=ep-a -c search_path=x', ['ep-a'], [], '-c search_path=x'],
    ['-csearch_path=x  endpoint=ep-a', ['ep-a'], [], '-csearch_path=x'],
    ['-c endpoint=x', [], [], '-c endpoint=x'],
    ['-c app.name=a\\ b endpoint=ep-a', ['ep-a'], [], '-c app.name=a\\ b'],
    ['neon_lsn:0/1 neon_endpoint_type:read_write', [], ['neon_lsn'], ''],
    ['', [], [], ''],
  ])('O2, O3: %j', (text, endpoints, unsupported, forCompute) => {
    expect(parseConnectionOptions(text)).toEqual({ endpoints, unsupported, forCompute });
  });

  it('O1: without words of ours, every word is passed on as it was', () => {
    const word = fc.stringMatching(/^-[a-z.=]+$/);
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(parseConnectionOptions(words.join(' \t')).forCompute).toBe(words.join(' '));
      }),
    );
  });
});

describe('parameters for the compute', () => {
  it('P1, P2, P3: are the client’s without what it meant for others', () => {
    const parameters = [
      ['user', 'alex'],
      ['database', 'neondb'],
      ['channel_binding', 'require'],
      ['options', 'endpoint=ep-a -c search_path=x'],
      ['DateStyle', 'ISO'],
      ['_pq_.command_tag', '1'],
    ] as const;
    expect(computeParameters(parameters, '-c search_path=x')).toEqual([
      ['user', 'alex'],
      ['database', 'neondb'],
      ['options', '-c search_path=x'],
      ['DateStyle', 'ISO'],
    ]);
    expect(computeParameters([['options', 'endpoint=ep-a']], '')).toEqual([]);
  });
});

describe('allow lists', () => {
  it.each([
    ['A1: an empty list', '203.0.113.7', [], true],
    ['an address', '203.0.113.7', ['203.0.113.8', ' 203.0.113.7 '], true],
    ['another address', '203.0.113.7', ['203.0.113.8'], false],
    ['a block', '203.0.113.7', ['203.0.113.0/29'], true],
    ['beside a block', '203.0.113.8', ['203.0.113.0/29'], false],
    ['everyone', '203.0.113.8', ['0.0.0.0/0'], true],
    ['IPv4 everyone is not IPv6', '2001:db8::1', ['0.0.0.0/0'], false],
    ['a range', '10.0.0.5', ['10.0.0.1-10.0.0.9'], true],
    ['beside a range', '10.0.1.5', ['10.0.0.1 - 10.0.0.9'], false],
    ['an IPv6 block', '2001:db8:1::9', ['2001:db8::/32'], true],
    ['beside an IPv6 block', '2001:db9::', ['2001:db8::/32'], false],
    ['A2: nonsense', '10.0.0.5', ['10.0.0.0/33', 'x', '10.0.0', '', '/8', '-'], false],
    ['A3: a mapped address', '::ffff:10.0.0.5', ['10.0.0.0/8'], true],
  ])('%s', (_case, address, allowed, expected) => expect(isAddressAllowed(address, allowed)).toBe(expected));

  it('an IPv6 address is the same however it is written', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const parsed = parseAddress(text);
        const value = new URL(`http://[${text}]/`).hostname.slice(1, -1);
        expect(parseAddress(value)).toEqual(parsed);
        expect(parsed).not.toBeNull();
      }),
    );
  });

  it('any text is an address or null', () => {
    fc.assert(fc.property(fc.string(), (text) => parseAddress(text) === null || text.length > 1));
  });
});
