// Each account kind's own flow, as its people go through it. Makes its accounts and members itself, over the operator's API.
import assert from 'node:assert/strict';
import { inspect, journey, visit } from './browser.mjs';
import { account, api, enter, world } from './office.mjs';

const dialog = (page) => page.getByRole('dialog');
const value = (page, label) => dialog(page).getByLabel(label, { exact: true }).inputValue();
const fact = (page, name) => page.locator('dl.facts > div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd').innerText();
const columns = async (page) => (await page.getByRole('columnheader').allInnerTexts()).map((text) => text.trim());

await journey('an-organisation-gives-regenerates-and-revokes', async (browser) => {
  const organisation = await account('organisation', 'Meridian Group');
  const v = await enter(browser, organisation, 'administrator');
  const { page } = v;
  await page.getByRole('navigation', { name: 'Account', exact: true }).getByRole('link', { name: 'Partner API' }).click();
  await inspect(page, 'organisation-empty');
  const list = page.url();
  await page.getByRole('link', { name: 'Create credentials' }).first().click();
  const submit = dialog(page).getByRole('button', { name: 'Create credentials' });
  await dialog(page).getByText('Keep them secure and confidential').waitFor();
  assert.equal(await dialog(page).getByRole('radio', { checked: true }).count(), 0, 'nothing is preselected');
  assert(await submit.isDisabled(), 'not before everything is there');
  await page.getByLabel('Email').fill('partner@example.com');
  assert(await submit.isDisabled());
  await page.getByRole('radio', { name: 'Fine grained' }).check();
  assert(await submit.isDisabled(), 'at least one scope');
  await inspect(page, 'organisation-create');
  await dialog(page).getByRole('link', { name: 'Close' }).click();
  await page.waitForURL(list);
  assert.equal(await page.getByText('partner@example.com').count(), 0, 'closing creates nothing');

  await page.getByRole('link', { name: 'Create credentials' }).first().click();
  await page.getByLabel('Email').fill('partner@example.com');
  await page.getByRole('radio', { name: 'Fine grained' }).check();
  await page.getByLabel('Scopes', { exact: true }).last().fill('orders:read\norders:write');
  await submit.click();
  await dialog(page).getByText('Shown only now', { exact: true }).waitFor();
  const [clientId, secret] = [await value(page, 'Client ID'), await value(page, 'Client secret')];
  await page.getByRole('link', { name: 'Done' }).click();
  assert.deepEqual((await columns(page)).slice(0, 6), ['Client ID', 'Email', 'Access', 'Created', 'Status', 'Last used']);
  await inspect(page, 'organisation-list');

  await page.getByRole('link', { name: `Details of ${clientId}` }).click();
  await inspect(page, 'organisation-details');
  await page.getByRole('link', { name: 'Edit' }).click();
  await inspect(page, 'organisation-edit');
  await page.getByLabel('Scopes', { exact: true }).last().fill('orders:read');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('It counts from the next request on').waitFor();
  assert.equal(await fact(page, 'Access'), 'orders:read');

  await page.getByRole('link', { name: 'Regenerate' }).click();
  assert(await page.getByRole('radio', { name: 'At once' }).isChecked(), 'the old one ends at once by default');
  await page.getByRole('radio', { name: 'After 24 hours' }).check();
  await inspect(page, 'organisation-regenerate');
  await page.getByRole('button', { name: 'Regenerate' }).click();
  await dialog(page).getByText('Shown only now', { exact: true }).waitFor();
  assert.notEqual(await value(page, 'Client secret'), secret);
  await page.getByRole('link', { name: 'Done' }).click();
  await page.getByText(secret.slice(-4)).waitFor();
  await inspect(page, 'organisation-overlap');
  await page.getByRole('link', { name: 'Finish now' }).click();
  await dialog(page).getByRole('button', { name: 'Finish now' }).click();
  await page.getByText('One secret is left').waitFor();

  await page.getByRole('link', { name: 'Revoke' }).click();
  await page.getByRole('radio', { name: 'Leaked' }).check();
  await inspect(page, 'organisation-revoke');
  await page.getByRole('button', { name: 'Revoke credential' }).click();
  await page.getByText(/Revoked .* by administrator@example.com: Leaked/).waitFor();
  await inspect(page, 'organisation-revoked');
  await page.goto(list);
  await page.getByRole('row').filter({ hasText: clientId }).getByText('Revoked').waitFor();
  assert.equal(await page.getByRole('link', { name: `Revoke ${clientId}` }).count(), 0);
  await v.close();

  const user = await enter(browser, organisation, 'user');
  assert(!/partner api/i.test(await user.page.content()), 'to a user there is no such page');
  user.expectStatus(404);
  assert.equal((await user.page.goto(list)).status(), 404);
  await user.close();
});

await journey('messaging-asks-creates-three-kinds-and-deletes-several', async (browser) => {
  const messaging = await account('messaging', 'Signal House');
  const v = await enter(browser, messaging, 'administrator');
  const { page } = v;
  await page.getByRole('navigation', { name: 'Account', exact: true }).getByRole('link', { name: 'API', exact: true }).click();
  const list = page.url();
  await inspect(page, 'messaging-request');
  await page.getByRole('button', { name: 'Request access' }).click();
  await page.getByRole('heading', { name: 'Access was asked for' }).waitFor();
  await inspect(page, 'messaging-requested');

  const o = await visit(browser, world.links.operator);
  await o.page.goto(`${world.public}/operator/accounts/${messaging}`);
  await o.page.getByText('Asked for by').waitFor();
  await inspect(o.page, 'operator-asked');
  await o.page.getByRole('button', { name: 'Grant Verification' }).click();
  await o.page.getByText('Granted.').first().waitFor();
  await o.close();

  await page.goto(list);
  for (const heading of ['Basic authentication', 'HMAC authentication', 'Legacy credentials']) await page.getByRole('heading', { name: heading }).waitFor();
  await inspect(page, 'messaging-empty');
  for (const kind of ['Basic authentication', 'HMAC authentication']) {
    await page.goto(list);
    await page.getByRole('link', { name: `Create new key for ${kind}` }).click();
    assert(await page.getByRole('button', { name: 'Create Key' }).isDisabled());
    await page.getByLabel('Descriptive name').fill(`Till ${kind}`);
    await inspect(page, `messaging-create-${kind.slice(0, 4)}`);
    await page.getByRole('button', { name: 'Create Key' }).click();
    await dialog(page).getByText('Shown only now', { exact: true }).waitFor();
    assert((await value(page, 'Key')).length > 10);
    assert((await value(page, 'Secret')).length > 10);
    await page.getByRole('link', { name: 'Ok', exact: true }).click();
  }
  await page.getByRole('link', { name: 'Create new key for Legacy credentials' }).click();
  await page.getByLabel('Username', { exact: true }).fill('till');
  await page.getByLabel('Password', { exact: true }).fill('nocapitals1');
  v.expectStatus(422);
  await page.getByRole('button', { name: 'Create Key' }).click();
  await page.getByText('and nothing else').first().waitFor();
  assert.equal(await page.getByLabel('Username', { exact: true }).inputValue(), 'till', 'what was typed is kept');
  assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '', 'a password is not');
  await inspect(page, 'messaging-create-legacy-invalid');
  await page.getByLabel('Username', { exact: true }).fill(`till${'abcdefgh'[Date.now() % 8]}${[...String(Date.now())].map((digit) => 'qrstuvwxyz'[digit]).join('')}`);
  await page.getByLabel('Password', { exact: true }).fill('Secret123');
  await page.getByRole('button', { name: 'Create Key' }).click();
  await page.getByText('the password you chose').waitFor();
  await page.getByText('Show', { exact: false }).first().click();
  await inspect(page, 'messaging-list');

  await page.getByRole('link', { name: 'Details of Till Basic authentication' }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await page.getByLabel('Descriptive name').fill('Till one');
  await inspect(page, 'messaging-rename');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: 'Till one' }).waitFor();
  await page.goto(list);
  await page.getByRole('link', { name: /^Details of till/ }).click();
  await page.getByRole('link', { name: 'Change password' }).click();
  await page.getByLabel('New password').fill('Another1');
  await inspect(page, 'messaging-password');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('The old one is refused').waitFor();

  await page.goto(list);
  assert(await page.getByRole('button', { name: 'Delete selected' }).isDisabled());
  await page.getByRole('checkbox', { name: 'Select Till one' }).check();
  await page.getByRole('checkbox', { name: 'Select Till HMAC authentication' }).check();
  await page.getByRole('button', { name: 'Delete selected' }).click();
  await dialog(page).getByText(/Till one · Basic authentication/).waitFor();
  await inspect(page, 'messaging-delete');
  await page.getByRole('button', { name: 'Delete 2 keys' }).click();
  await page.getByText('Deleted.').waitFor();
  assert.equal(await page.getByText('Till one').count(), 0);
  assert.equal(await page.getByRole('checkbox').count(), 1);

  const below = await account('messaging', 'Signal House North', { parent_id: messaging });
  await api('PATCH', `/v1/accounts/${below}`, { api_access: true });
  await page.goto(`${world.public}/account/clients`);
  await inspect(page, 'messaging-below');
  await page.getByRole('link', { name: 'API of Signal House North' }).click();
  await page.getByRole('link', { name: 'Create new key for Basic authentication' }).click();
  await page.getByLabel('Descriptive name').fill('North till');
  await page.getByRole('button', { name: 'Create Key' }).click();
  await page.getByRole('link', { name: 'Ok', exact: true }).click();
  await page.getByText('North till').first().waitFor();
  await inspect(page, 'messaging-below-list');
  await v.close();

  const basic = await enter(browser, messaging, 'basic');
  await basic.page.getByRole('navigation', { name: 'Account', exact: true }).getByRole('link', { name: 'API', exact: true }).click();
  await basic.page.getByText('administrator@example.com').waitFor();
  await inspect(basic.page, 'messaging-whom-to-ask');
  await basic.close();
});

await journey('messaging-deletes-without-javascript', async (browser) => {
  const messaging = await account('messaging', 'No Script Ltd');
  await api('PATCH', `/v1/accounts/${messaging}`, { api_access: true });
  const v = await enter(browser, messaging, 'administrator', { javaScript: false });
  const { page } = v;
  for (const kind of ['basic', 'hmac']) {
    await page.goto(`${world.public}/account/api/new?kind=${kind}`);
    await page.getByLabel('Descriptive name').fill(`Plain ${kind}`);
    await page.getByRole('button', { name: 'Create Key' }).click();
    await page.getByRole('link', { name: 'Ok', exact: true }).click();
  }
  for (const box of await page.getByRole('checkbox').all()) await box.check();
  await page.getByRole('button', { name: 'Delete selected' }).click();
  await page.getByRole('button', { name: 'Delete 2 keys' }).click();
  await page.getByText('Deleted.').waitFor();
  await v.close();
});

await journey('a-tenant-gives-keys-roles', async (browser) => {
  const tenant = await account('tenant', 'Ticket Office');
  const unit = await account('business_unit', 'Opera', { parent_id: tenant });
  const v = await enter(browser, tenant, 'tenant_admin');
  const { page } = v;
  await page.getByRole('navigation', { name: 'Account', exact: true }).getByRole('link', { name: 'API keys' }).click();
  const list = page.url();
  await page.getByRole('link', { name: 'Create API key' }).first().click();
  assert.equal(await page.getByRole('checkbox', { checked: true }).count(), 0, 'no role is preselected');
  await page.getByLabel("Owner's email").fill('owner@example.com');
  await page.getByLabel('Description').fill('Box office');
  await page.getByRole('checkbox', { name: 'Viewer' }).check();
  await inspect(page, 'tenant-create');
  await page.getByRole('button', { name: 'Create' }).click();
  const id = await value(page, 'Key ID');
  await page.getByRole('link', { name: 'Done' }).click();
  assert.deepEqual((await columns(page)).slice(0, 5), ['Key ID', 'Access', "Owner's email", 'Created', 'Last used']);
  await inspect(page, 'tenant-list');
  await page.getByRole('link', { name: `Details of ${id}` }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  assert(await page.getByRole('checkbox', { name: 'Viewer' }).isChecked());
  await page.getByRole('checkbox', { name: 'Viewer' }).uncheck();
  await page.getByRole('checkbox', { name: 'GL' }).check();
  await inspect(page, 'tenant-edit');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('GL: Reads and writes').waitFor();
  await inspect(page, 'tenant-details');
  await page.goto(`${world.public}/account/clients`);
  await page.getByRole('link', { name: 'API keys of Opera' }).click();
  assert.equal(page.url(), `${world.public}/account/below/${unit}/api-keys`);
  await inspect(page, 'tenant-below');
  await v.close();
  const member = await enter(browser, tenant, 'member');
  assert.equal(await member.page.getByRole('link', { name: 'API keys' }).count(), 0);
  member.expectStatus(403);
  assert.equal((await member.page.goto(list)).status(), 403);
  await member.page.getByText('It takes the role Tenant admin').waitFor();
  await inspect(member.page, 'tenant-forbidden');
  await member.close();
});

await journey('a-business-has-it-all', async (browser) => {
  const business = await account('business', 'Larch & Sons');
  const v = await enter(browser, business, 'owner');
  const { page } = v;
  await page.goto(`${world.public}/account/credentials/new`);
  assert(await page.getByRole('button', { name: 'Create credential' }).isDisabled());
  assert(!(await page.getByLabel('Username', { exact: true }).isVisible()), 'a username only where one is chosen');
  await page.getByRole('radio', { name: 'Legacy login' }).check();
  assert(await page.getByLabel('Username', { exact: true }).isVisible());
  await page.getByRole('radio', { name: 'API key' }).check();
  await page.getByLabel('Name', { exact: true }).fill('Production import');
  await page.getByRole('radio', { name: 'Full' }).check();
  await page.getByText('30 days').click();
  await page.getByRole('button', { name: 'Add my address' }).click();
  assert.match(await page.getByLabel('Networks').inputValue(), /^[0-9a-f.:]+$/);
  await inspect(page, 'business-create');
  v.expectStatus(422);
  await page.getByLabel('Networks').fill('nonsense');
  await page.getByRole('button', { name: 'Create credential' }).click();
  await page.getByText('Line 1 is not an IP address').waitFor();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Production import');
  assert(await page.getByRole('radio', { name: '30 days' }).isChecked());
  await inspect(page, 'business-create-invalid');
  await page.getByLabel('Networks').fill('10.0.0.0/8');
  await page.getByRole('button', { name: 'Create credential' }).click();
  const key = await value(page, 'Key');
  await page.getByRole('link', { name: 'Done' }).click();
  await inspect(page, 'business-list');
  const list = `${world.public}/account/credentials`;

  await page.getByText('Find the owner of a key').click();
  await page.getByLabel('A key, a secret or an ID').fill(key);
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByText('This is the one you pasted').waitFor();
  assert(!page.url().includes(key) && !(await page.content()).includes(key), 'the paste is nowhere');
  await inspect(page, 'business-details');
  for (const [verb, said] of [['Pause', 'Paused.'], ['Resume', 'Resumed.']]) {
    await page.getByRole('link', { name: verb }).click();
    await page.getByRole('button', { name: verb }).click();
    await page.getByText(said).waitFor();
  }
  await page.getByRole('link', { name: 'Edit' }).click();
  await inspect(page, 'business-edit');
  await page.getByRole('radio', { name: 'Never', exact: true }).check();
  await page.getByRole('button', { name: 'Save' }).click();
  assert.equal(await fact(page, 'Expires'), 'Never');
  await page.getByRole('link', { name: 'Revoke' }).click();
  await page.getByRole('button', { name: 'Revoke credential' }).click();
  await page.getByText('Not needed any more').first().waitFor();
  await page.getByRole('link', { name: 'Restore' }).click();
  await page.getByRole('button', { name: 'Restore' }).click();
  await page.getByText('It is accepted again').waitFor();
  await page.goto(`${list}?state=revoked`);
  await page.getByText('Nothing here matches').waitFor();
  await inspect(page, 'business-filtered');
  await v.close();
});

await journey('scopes-are-picked-from-the-catalogue', async (browser) => {
  // last of all: the journeys before this one type their scopes
  const imported = await fetch(`${world.public}/v1/catalogue?accept=true`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${world.operatorKey}`, 'content-type': 'application/yaml' },
    body: `
openapi: 3.1.0
info: { title: Orders, version: "1" }
paths:
  /orders: { get: { summary: List orders, responses: {} }, post: { summary: Place an order, responses: {} } }
  /invoices: { get: { summary: List invoices, responses: {} } }
`,
  });
  assert.equal(imported.status, 200, await imported.text());
  const organisation = await account('organisation', 'Catalogue Readers');
  const v = await enter(browser, organisation, 'administrator');
  const { page } = v;
  await page.goto(`${world.public}/account/partner-api/new`);
  await page.getByLabel('Email').fill('partner@example.com');
  await page.getByRole('radio', { name: 'Fine grained' }).check();
  await inspect(page, 'scopes');
  await page.getByRole('button', { name: 'Read only' }).click();
  const picked = await dialog(page).getByRole('checkbox', { checked: true }).count();
  assert(picked > 0 && picked < (await dialog(page).getByRole('checkbox').count()));
  await page.getByLabel('Search scopes').fill('nothing has this name');
  assert.equal(await dialog(page).getByRole('checkbox').count(), 0);
  await page.getByLabel('Search scopes').fill('');
  await page.getByRole('button', { name: 'Create credentials' }).click();
  await dialog(page).getByText('Shown only now', { exact: true }).waitFor();
  await v.close();
});
