// Discovery, a token, its introspection and its revocation, as a strict client library sees them (RFC 8414, 6749, 7662, 7009).
// Arguments: issuer, client id, client secret. What it finds wrong, it throws.
import * as oauth from 'oauth4webapi';
import assert from 'node:assert/strict';

const [issuer, client_id, client_secret] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true };

const url = new URL(issuer);
const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure }));
const client = { client_id };

for (const authentication of [oauth.ClientSecretBasic(client_secret), oauth.ClientSecretPost(client_secret)]) {
  const granted = await oauth.clientCredentialsGrantRequest(server, client, authentication, {}, insecure);
  const { access_token } = await oauth.processClientCredentialsResponse(server, client, granted);

  const introspect = async () =>
    oauth.processIntrospectionResponse(server, client, await oauth.introspectionRequest(server, client, authentication, access_token, insecure));
  const live = await introspect();
  assert.equal(live.active, true);
  assert.equal(live.client_id, client_id);

  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, access_token, insecure));
  assert.deepEqual(await introspect(), { active: false });
}

const wrong = await oauth.introspectionRequest(server, client, oauth.ClientSecretBasic(client_secret + 'x'), 'a.b.c', insecure);
await assert.rejects(oauth.processIntrospectionResponse(server, client, wrong), oauth.WWWAuthenticateChallengeError);
console.log('a real client is content');
