import { connectionUri, endpointHost } from './connection-uri';

describe('connection strings', () => {
  it('U1: the port shows unless it is the usual one, and -pooler follows the id', () => {
    expect(endpointHost('ep-a-b-1', { domain: 'example.org', port: 5432 })).toBe('ep-a-b-1.example.org');
    expect(endpointHost('ep-a-b-1', { domain: 'localhost', port: 55432 }, true)).toBe(
      'ep-a-b-1-pooler.localhost:55432',
    );
  });

  it('U2: what people choose is encoded', () => {
    expect(connectionUri({ role: "a@b:c/d'", password: 'p%?#', database: 'my db', host: 'h' })).toBe(
      'postgresql://a%40b%3Ac%2Fd%27:p%25%3F%23@h/my%20db?sslmode=require&channel_binding=require',
    );
    expect(connectionUri({ role: 'a', password: null, database: 'd', host: 'h' })).toMatch('postgresql://a@h/d');
  });
});
