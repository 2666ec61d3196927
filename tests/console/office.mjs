// The operator's back office and the gateway, for the console's journeys: what a journey needs and no person does in a browser.
import assert from 'node:assert/strict';
import { visit } from './browser.mjs';

/** What the test around the journeys has started: addresses, the operator's key, sign-in links. */
export const world = JSON.parse(process.env.WORLD);

/** Calls the management API; fails unless it goes well. */
export async function api(method, path, body) {
  const answer = await fetch(`${world.public}${path}`, {
    method,
    headers: { authorization: `Bearer ${world.operatorKey}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const json = await answer.json().catch(() => null);
  assert(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
  return json;
}

/** What the gateway is told about a request: the whole verdict. */
export async function verify(method, path, headers) {
  const answer = await fetch(`${world.gateway}/v1/verify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ method, path, headers }),
  });
  return answer.json();
}

/** A new account's id. */
export async function account(kind, name, more = {}) {
  return (await api('POST', '/v1/accounts', { kind, name, ...more })).id;
}

/** A one-time link for a new member with this role. */
async function link(id, role) {
  const email = `${role.replaceAll('_', '-')}@example.com`;
  await api('PUT', `/v1/accounts/${id}/members/${email}`, { role });
  return (await api('POST', `/v1/accounts/${id}/sign-in-links`, { email })).url;
}

/** Opens the console as a new member with this role. */
export async function enter(browser, id, role, options) {
  return visit(browser, await link(id, role), options);
}
