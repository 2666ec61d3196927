// The first journey as people make it: create an API key in the console, use it, delete it; and what those see who may not.
import assert from 'node:assert/strict';
import { accessible, fits, inspect, journey, shot, themes, viewports, visit } from './browser.mjs';
import { api, verify, world } from './office.mjs';

const keys = `${world.public}/account/api-keys`;

async function verdict(token, account) {
  return (await verify('GET', '/orders', { authorization: `Bearer ${token}`, accountid: account })).verdict;
}

async function value(page, label) {
  return page.getByRole('dialog').getByLabel(label, { exact: true }).inputValue();
}

await journey('an-admin-creates-and-deletes-a-key', async (browser) => {
  const v = await visit(browser, world.links.admin, { permissions: ['clipboard-read', 'clipboard-write'] });
  const { page } = v;
  assert.equal(page.url(), `${world.public}/account`);
  await inspect(page, 'account');
  await page.getByRole('navigation').getByRole('link', { name: 'API keys' }).first().click();
  await page.waitForURL(keys);
  await inspect(page, 'api-keys-empty');

  // Cancel and Esc create nothing
  for (const leave of [() => page.getByRole('link', { name: 'Cancel' }).click(), () => page.keyboard.press('Escape')]) {
    await page.getByRole('link', { name: 'Create API key' }).first().click();
    await page.getByRole('dialog').waitFor();
    await page.getByLabel('Email').fill('someone@example.com');
    await leave();
    await page.waitForURL(keys);
    assert.equal(await page.getByText('someone@example.com').count(), 0);
  }

  await page.getByRole('link', { name: 'Create API key' }).first().click();
  await inspect(page, 'api-keys-create');
  v.expectStatus(422);
  await page.getByLabel('Email').fill('nonsense');
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.getByText('valid email address').waitFor();
  assert.equal(await page.getByLabel('Email').inputValue(), 'nonsense', 'what was typed is kept');
  await inspect(page, 'api-keys-create-invalid');
  await page.getByLabel('Email').fill('dev@northwind.example');
  await page.getByLabel('Email').press('Enter');
  await page.getByRole('heading', { name: 'API key created' }).waitFor();
  await inspect(page, 'api-keys-created');
  const clientId = await value(page, 'Client ID');
  const clientSecret = await value(page, 'Client Secret');
  assert.equal(await value(page, 'Account ID'), world.corporate);
  for (const [label, expected] of [['Client ID', clientId], ['Client Secret', clientSecret], ['Account ID', world.corporate]]) {
    await page.getByRole('button', { name: `Copy ${label}`, exact: true }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), expected);
  }
  await page.keyboard.press('Escape');
  assert.equal(await value(page, 'Client Secret'), clientSecret, 'Esc does not lose the secret');
  await page.getByRole('link', { name: 'Done' }).click();
  await page.waitForURL(keys);
  assert.deepEqual((await page.getByRole('columnheader').allInnerTexts()).map((t) => t.trim()).slice(0, 3), ['Client ID', 'Email', 'Created']);
  assert(!(await page.content()).includes(clientSecret), 'the secret is gone from the page');
  await inspect(page, 'api-keys-one');

  const exchanged = await fetch(`${world.public}/auth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ clientId, clientSecret }),
  });
  const { access_token: token } = await exchanged.json();
  assert.equal(await verdict(token, world.corporate), 'allowed');

  await page.getByRole('link', { name: `Delete ${clientId}` }).click();
  await page.getByText('stop working at once').waitFor();
  await inspect(page, 'api-keys-delete');
  await page.getByRole('button', { name: 'Delete API key' }).click();
  await page.getByText('Deleted.').waitFor();
  assert.equal(await verdict(token, world.corporate), 'refused');
  assert.equal(await page.getByText(clientId).count(), 0);
  await page.getByRole('banner').locator('summary').first().click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out').waitFor();
  await inspect(page, 'signed-out');
  v.expectStatus(401);
  await page.goto(keys);
  await page.getByText('You are not signed in').waitFor();
  await v.close();
});

await journey('going-back-does-not-show-the-secret-again', async (browser) => {
  const link = await api('POST', `/v1/accounts/${world.corporate}/sign-in-links`, { email: 'admin@example.com' });
  const context = await browser.newContext(); // not watched: Chromium reports the page that it did not keep as an error
  const page = await context.newPage();
  // led here by another site: a page with a button, which has the focus
  await page.setContent(`<a href="${link.url}">Keys</a>`);
  await page.getByRole('link').click();
  await inspect(page, 'sign-in');
  await page.getByRole('button', { name: 'Sign in' }).press('Enter');
  await page.getByRole('button', { name: 'Sign out', includeHidden: true }).waitFor({ state: 'attached' });
  await page.goto(`${keys}/new`);
  await page.getByLabel('Email').fill('back@northwind.example');
  await page.getByRole('button', { name: 'Submit' }).click();
  const clientSecret = await value(page, 'Client Secret');
  await page.getByRole('link', { name: 'Done' }).click();
  await page.waitForURL(keys);
  const kept = await page.goBack().then(() => true, (error) => !/ERR_CACHE_MISS/.test(String(error)));
  if (kept) assert(!(await page.content()).includes(clientSecret), 'the page that showed the secret is not kept');
  await context.close();
});

await journey('without-javascript-by-keyboard', async (browser) => {
  const v = await visit(browser, world.links['admin-0'], { javaScript: false });
  const { page } = v;
  await page.goto(`${keys}/new`);
  await page.keyboard.type('no-script@northwind.example');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'API key created' }).waitFor();
  await shot(page, 'no-script-created');
  await page.getByRole('link', { name: 'Done' }).click();
  await page.getByRole('link', { name: /^Delete clv_client_/ }).first().click();
  await page.getByRole('button', { name: 'Delete API key' }).click();
  await page.getByText('Deleted.').waitFor();
  await v.close();
});

await journey('the-eleventh-key-is-refused-with-what-to-do', async (browser) => {
  const path = `/v1/accounts/${world.corporate}/credentials`;
  const before = (await api('GET', path)).items;
  for (let at = before.length; at < 10; at++) {
    await api('POST', path, { kind: 'client', email: `key-${at}@example.com` });
  }
  const v = await visit(browser, world.links['admin-1']);
  await v.page.goto(keys);
  await inspect(v.page, 'api-keys-ten');
  await v.page.goto(`${keys}/new`);
  await v.page.getByText('Delete one that is no longer used').first().waitFor();
  await inspect(v.page, 'api-keys-limit');
  await v.close();
});

for (const role of ['executor', 'preparer', 'viewer', 'onboarding_agent']) {
  await journey(`a-${role}-sees-no-trace-of-keys`, async (browser) => {
    const v = await visit(browser, world.links[role]);
    const { page } = v;
    for (const address of [`${world.public}/account`, role === 'onboarding_agent' ? `${world.public}/account/clients` : null].filter(Boolean)) {
      await page.goto(address);
      await page.getByRole('banner').locator('summary').first().click();
      assert(!/api.key/i.test(await page.content()), 'nothing says that there are keys');
      await page.keyboard.press('Escape');
    }
    await inspect(page, `account-${role}`);
    v.expectStatus(404);
    for (const address of [keys, `${keys}/new`, `${keys}/00000000-0000-7000-8000-000000000000/delete`]) {
      assert.equal((await page.goto(address)).status(), 404);
    }
    await inspect(page, `not-found-${role}`);
    await v.close();
  });
}

await journey('a-partner-reaches-keys-straight-from-the-account-menu', async (browser) => {
  const v = await visit(browser, world.links.partner_admin);
  const { page } = v;
  await page.getByRole('banner').locator('summary').first().click();
  await shot(page, 'partner-menu');
  await page.getByRole('banner').getByRole('link', { name: 'API keys' }).click();
  await page.waitForURL(keys);
  await page.goto(`${world.public}/account/clients`);
  await page.getByText('Bluebird Books', { exact: true }).waitFor();
  await inspect(page, 'clients');
  await v.close();
});

await journey('an-owner-manages-members', async (browser) => {
  const v = await visit(browser, world.links.owner);
  const { page } = v;
  await page.goto(`${world.public}/account/sessions`);
  await inspect(page, 'sessions');
  await page.getByRole('navigation').getByRole('link', { name: 'Members' }).click();
  await inspect(page, 'members');
  await page.getByRole('link', { name: 'Add member' }).click();
  await inspect(page, 'members-add');
  await page.getByLabel('Email').fill('new@northwind.example');
  await page.getByRole('radio', { name: 'Viewer' }).check();
  await page.getByRole('dialog').getByRole('button', { name: 'Add member' }).click();
  await page.getByText('new@northwind.example').first().waitFor();
  await page.getByRole('link', { name: /Remove new@northwind.example/ }).click();
  await inspect(page, 'members-remove');
  await page.getByRole('button', { name: 'Remove member' }).click();
  await page.getByText('signed out everywhere').waitFor();
  assert.equal(await page.getByRole('link', { name: /Remove owner@example.com/ }).count(), 0, 'the last owner cannot be removed');
  await v.close();
});

await journey('the-operator-withdraws-the-gate-and-the-page-is-gone', async (browser) => {
  const owner = await api('POST', `/v1/accounts/${world.corporate}/sign-in-links`, { email: 'owner@example.com' });
  const member = await visit(browser, owner.url);
  await member.page.goto(keys);
  const v = await visit(browser, world.links.operator);
  const { page } = v;
  await inspect(page, 'operator-accounts');
  await page.getByRole('link', { name: 'Northwind Traders' }).click();
  await inspect(page, 'operator-account');
  await page.getByRole('link', { name: 'Withdraw API access' }).click();
  await inspect(page, 'operator-withdraw');
  await page.getByRole('dialog').getByRole('button', { name: 'Withdraw API access' }).click();
  await page.getByText('Withdrawn.').waitFor();
  member.expectStatus(404);
  assert.equal((await member.page.goto(keys)).status(), 404);
  await member.page.goto(`${world.public}/account`);
  assert(!/api.key/i.test(await member.page.content()), 'nothing says that there are keys');
  await page.getByRole('button', { name: 'Grant API access' }).click();
  await page.getByText('Granted.').first().waitFor();
  assert.equal((await member.page.goto(keys)).status(), 200);
  await page.getByRole('navigation').getByRole('link', { name: 'Operator keys' }).click();
  await inspect(page, 'operator-keys');
  await page.goto(`${world.public}/operator/new`);
  await inspect(page, 'operator-create-account');
  await v.close();
  await member.close();
});
