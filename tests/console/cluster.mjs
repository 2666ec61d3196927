// Three nodes: what a customer is told when something is deleted, and what the operator sees of the nodes when one is cut off.
import assert from 'node:assert/strict';
import { inspect, journey, visit } from './browser.mjs';

const world = JSON.parse(process.env.WORLD);

if (process.env.PART === 'owner') {
  await journey('a-deletion-says-on-how-many-nodes-it-is-true', async (browser) => {
    const v = await visit(browser, world.links.owner);
    const { page } = v;
    await page.goto(`${world.public}/account/api-keys`);
    await page.getByRole('link', { name: /^Delete/ }).first().click();
    await page.getByRole('button', { name: /^Delete/ }).click();
    const notice = await page.locator('.notice').innerText();
    assert.match(notice, /^Deleted\. .* True on all 3 nodes after .*s\.$/s);
    await inspect(page, 'deleted-on-three-nodes');
    await v.close();
  });
} else {
  await journey('the-operator-sees-which-node-is-silent', async (browser) => {
    const v = await visit(browser, world.links.operator);
    const { page } = v;
    await page.getByRole('link', { name: 'Cluster' }).click();
    await page.getByRole('heading', { name: 'Cluster' }).waitFor();
    for (const until = Date.now() + 40_000; Date.now() < until; await page.waitForTimeout(250)) {
      if (await page.getByText('Silent', { exact: true }).count()) break;
      await page.getByRole('link', { name: 'Look again' }).click();
    }
    assert.equal(await page.getByText('Silent', { exact: true }).count(), 1);
    assert.equal(await page.getByText('this node', { exact: true }).count(), 1);
    await inspect(page, 'cluster');
    await v.close();
  });
}
