// What happens to credentials after the first day: overlaps, ends, replays, refusals, many accounts. Makes its accounts and members itself.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { inspect, journey, visit } from './browser.mjs';
import { account, api, enter, verify, world } from './office.mjs';

const dialog = (page) => page.getByRole('dialog');
const value = (page, label) => dialog(page).getByLabel(label, { exact: true }).inputValue();
const fact = (page, name) => page.locator('dl.facts > div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd').innerText();

/** Headers of a request signed now, or `late` seconds ago. */
function signed(key, secret, line, { late = 0, headers = 'Date request-line' } = {}) {
  const date = new Date(Date.now() - late * 1000).toUTCString();
  const signature = createHmac('sha256', secret).update(`Date: ${date}\n${line} HTTP/1.1`).digest('base64');
  return { date, authorization: `hmac username="${key}", algorithm="hmac-sha256", headers="${headers}", signature="${signature}"` };
}

await journey('an-overlap-says-which-secret-is-used-and-the-old-one-can-be-kept', async (browser) => {
  const business = await account('business', 'Two Secrets');
  const made = await api('POST', `/v1/accounts/${business}/credentials`, { kind: 'basic', name: 'Nightly export', access: { level: 'full' } });
  const basic = (secret) => ({ authorization: `Basic ${Buffer.from(`${made.public_id}:${secret}`).toString('base64')}` });
  const works = async (secret) => (await verify('GET', '/', basic(secret))).verdict === 'allowed';
  const v = await enter(browser, business, 'owner');
  const { page } = v;
  const details = `${world.public}/account/credentials/${made.id}`;
  await page.goto(details);
  await page.getByRole('link', { name: 'Regenerate' }).click();
  await page.getByRole('radio', { name: 'After 7 days' }).check();
  await page.getByRole('button', { name: 'Regenerate' }).click();
  const fresh = await value(page, 'Secret');
  await page.getByRole('link', { name: 'Done' }).click();
  assert((await works(made.secret)) && (await works(fresh)), 'both are accepted');
  const rows = page.getByRole('row');
  // uses are written every few seconds
  for (const until = Date.now() + 20_000; Date.now() < until; ) {
    await page.goto(details);
    if (!(await page.locator('#secrets-title').locator('xpath=ancestor::section').innerText()).includes('Never')) break;
    await page.waitForTimeout(200);
  }
  for (const secret of [made.secret, fresh]) {
    const row = await rows.filter({ hasText: secret.slice(-4) }).innerText();
    assert.match(row, /just now|ago/, `when it was last used: ${row}`);
  }
  await inspect(page, 'life-overlap');
  await page.getByRole('link', { name: 'Cancel and keep the old' }).click();
  await dialog(page).getByText('no longer ends by itself').waitFor();
  await inspect(page, 'life-keep-old');
  await dialog(page).getByRole('button', { name: 'Cancel and keep the old' }).click();
  await page.getByText('One secret is left').waitFor();
  assert.equal(await page.getByText(fresh.slice(-4)).count(), 0);
  assert((await works(made.secret)) && !(await works(fresh)), 'the old one stays, the new one does not');
  await v.close();
});

await journey('a-credential-ends-on-a-day-of-ones-own', async (browser) => {
  const business = await account('business', 'Own Day');
  const v = await enter(browser, business, 'owner');
  const { page } = v;
  await page.goto(`${world.public}/account/credentials/new`);
  await page.getByRole('radio', { name: 'API key' }).check();
  await page.getByLabel('Name', { exact: true }).fill('Summer campaign');
  await page.getByRole('radio', { name: 'Full' }).check();
  await page.getByRole('radio', { name: 'On a day' }).check();
  await page.getByLabel('Day and time').fill('2001-01-01T00:00');
  v.expectStatus(422);
  await page.getByRole('button', { name: 'Create credential' }).click();
  await page.locator('#expires-error').waitFor();
  assert.equal(await page.getByLabel('Day and time').inputValue(), '2001-01-01T00:00', 'what was typed is kept');
  await inspect(page, 'life-expiry-past');
  const day = new Date(Date.now() + 40 * 86_400_000).toISOString().slice(0, 16);
  await page.getByLabel('Day and time').fill(day);
  await page.getByRole('button', { name: 'Create credential' }).click();
  await dialog(page).getByText('Shown only now', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Done' }).click();
  await page.getByRole('link', { name: /^Details of/ }).click();
  const shown = await page.locator('dl.facts time').evaluateAll((times) => times.map((time) => time.dateTime));
  assert(shown.some((time) => time.startsWith(day)), `${day} in ${shown}`);
  await page.getByRole('link', { name: 'Edit' }).click();
  assert.equal(await page.getByLabel('Day and time').inputValue(), day);
  await v.close();
});

await journey('a-signature-is-refused-the-second-time-and-the-console-says-why-requests-are-refused', async (browser) => {
  const business = await account('business', 'Careful Signers');
  const v = await enter(browser, business, 'owner');
  const { page } = v;
  await page.goto(`${world.public}/account/credentials/new`);
  await page.getByRole('radio', { name: 'Signed requests' }).check();
  await page.getByLabel('Name', { exact: true }).fill('Settlement run');
  await page.getByRole('radio', { name: 'Full' }).check();
  await page.getByRole('checkbox', { name: 'Refuse a signature the second time' }).check();
  await inspect(page, 'life-replays');
  await page.getByRole('button', { name: 'Create credential' }).click();
  const [key, secret] = [await value(page, 'Key'), await value(page, 'Secret')];
  await page.getByRole('link', { name: 'Done' }).click();
  await page.getByRole('link', { name: /^Details of/ }).click();
  assert.equal(await fact(page, 'Repeated signatures'), 'Refused');
  await page.getByText('No signed request was refused lately').waitFor();
  const once = signed(key, secret, 'GET /v1/payments');
  assert.equal((await verify('GET', '/v1/payments', once)).verdict, 'allowed');
  assert.equal((await verify('GET', '/v1/payments', once)).reason, 'request_replayed');

  const other = await verify('POST', '/v1/payments?page=2', signed(key, secret, 'GET /v1/payments'));
  const late = await verify('GET', '/v1/payments', signed(key, secret, 'GET /v1/payments', { late: 8000 }));
  const missing = await verify('GET', '/v1/payments', signed(key, secret, 'GET /v1/payments', { headers: 'Date X-Nonce request-line' }));
  assert.deepEqual([other.reason, late.reason, missing.reason], Array(3).fill('credential_invalid'), 'the client learns nothing');
  await page.reload();
  await inspect(page, 'life-refused-lately');
  await page.getByRole('link', { name: 'All refused requests' }).click();
  await inspect(page, 'life-refusals');
  await page.getByLabel('Request ID').fill(other.request_id);
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText('POST /v1/payments?page=2 HTTP/1.1').waitFor();
  await page.getByText('Compare the string you signed with ours').waitFor();
  assert(!(await page.content()).includes(secret));
  await inspect(page, 'life-refusal-mismatch');
  await page.getByRole('link', { name: 'Refused requests' }).click();
  await page.getByRole('link', { name: late.request_id }).click();
  await page.getByText(/2 hours .* behind our clock/).waitFor();
  await inspect(page, 'life-refusal-late');
  await page.goto(`${world.public}/account/credentials/refusals/${missing.request_id}`);
  await page.getByText('Send the header X-Nonce').waitFor();
  await page.getByRole('row').filter({ hasText: 'x-nonce' }).getByText('Missing').waitFor();
  await inspect(page, 'life-refusal-missing');
  await page.goto(`${world.public}/account/credentials/refusals?request_id=no-such-request`);
  await page.getByText('Nothing is known of').waitFor();
  await inspect(page, 'life-refusal-unknown');
  await v.close();

  const o = await visit(browser, world.links.operator);
  await o.page.goto(`${world.public}/operator/accounts/${business}`);
  await inspect(o.page, 'life-operator-account');
  await o.page.getByLabel('Request ID').fill(missing.request_id);
  await o.page.getByRole('button', { name: 'Explain' }).click();
  await o.page.getByText('Send the header X-Nonce').waitFor();
  await inspect(o.page, 'life-operator-refusal');
  await o.close();

  const viewer = await enter(browser, business, 'viewer');
  viewer.expectStatus(403);
  assert.equal((await viewer.page.goto(`${world.public}/account/credentials/refusals`)).status(), 403);
  await viewer.close();
});

await journey('of-several-none-is-deleted-when-one-cannot-be', async (browser) => {
  const messaging = await account('messaging', 'All Or None');
  await api('PATCH', `/v1/accounts/${messaging}`, { api_access: true });
  for (const kind of ['basic', 'hmac']) await api('POST', `/v1/accounts/${messaging}/credentials`, { kind, name: `Till ${kind}` });
  const v = await enter(browser, messaging, 'administrator');
  const { page } = v;
  await page.goto(`${world.public}/account/api`);
  for (const box of await page.getByRole('checkbox').all()) await box.check();
  await page.getByRole('button', { name: 'Delete selected' }).click();
  // the form as someone else would send it: with a key that is not theirs
  await dialog(page).locator('input[name=id]').last().evaluate((field) => { field.value = '01890000-0000-7000-8000-000000000001'; });
  v.expectStatus(404);
  await page.getByRole('button', { name: 'Delete 2 keys' }).click();
  await dialog(page).getByText('None of them was ended').waitFor();
  await inspect(page, 'life-delete-failed');
  await dialog(page).getByRole('link', { name: 'Cancel' }).click();
  for (const kind of ['basic', 'hmac']) await page.getByText(`Till ${kind}`).first().waitFor();
  await v.close();
});

await journey('many-accounts-below-come-in-pages', async (browser) => {
  const top = await account('messaging', 'Franchise');
  for (let at = 0; at < 51; at += 1) await account('messaging', `Branch ${String(at).padStart(2, '0')}`, { parent_id: top });
  const v = await enter(browser, top, 'administrator');
  const { page } = v;
  await page.goto(`${world.public}/account/clients`);
  const names = async () => (await page.getByRole('rowheader').allInnerTexts()).map((name) => name.trim());
  const first = await names();
  assert.equal(first.length, 50);
  assert.equal(await page.getByRole('link', { name: 'Newer' }).count(), 0);
  await inspect(page, 'life-below-first');
  await page.getByRole('link', { name: 'Older' }).click();
  const second = await names();
  assert.equal(new Set([...first, ...second]).size, 51, 'each branch once');
  assert.equal(await page.getByRole('link', { name: 'Older' }).count(), 0);
  await inspect(page, 'life-below-second');
  await page.getByRole('link', { name: 'Newer' }).click();
  assert.deepEqual(await names(), first);
  await v.close();
});
