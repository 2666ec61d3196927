// Shows that the helper sees what it promises to see: on a good page nothing, on each bad page exactly its fault.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { accessible, fits, journey, shot, themes, viewports, visit } from './browser.mjs';

const site = process.env.SITE;

/** The text of what `run` throws. */
async function failure(run) {
  const error = await run().then(() => assert.fail('it did not fail'), (error) => error);
  return String(error.message);
}

await journey('self-test', async (browser) => {
  for (const theme of themes) {
    for (const viewport of Object.keys(viewports)) {
      const good = await visit(browser, `${site}/good`, { theme, viewport });
      await good.page.getByRole('button', { name: 'Show' }).click();
      await good.page.getByText('shown by the script').waitFor();
      assert.equal(await good.page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches), theme === 'dark');
      await fits(good.page);
      await accessible(good.page);
      const file = await shot(good.page, `self-test-${theme}-${viewport}`);
      assert((await stat(file)).size > 1000);
      await good.close();
    }
  }

  const plain = await visit(browser, `${site}/good`, { javaScript: false });
  assert.equal(await plain.page.getByText('shown by the script').count(), 0);
  await plain.close();

  const absent = await visit(browser, `${site}/absent`, { status: 404 });
  await absent.close();

  const bad = {
    '/inline-script': /Content Security Policy/,
    '/inline-style': /Content Security Policy/,
    '/inner-html': /TrustedHTML|Trusted Type/,
    '/eval': /unsafe-eval|Trusted Type|TrustedScript/,
    '/elsewhere': /Content Security Policy/,
    '/exception': /exception .*boom/,
    '/console-error': /console error .*oh dear/,
    '/missing-resource': /status of 404/,
  };
  for (const [path, fault] of Object.entries(bad)) {
    const page = await visit(browser, `${site}${path}`);
    assert.match(await failure(() => page.close()), fault, path);
  }

  const poor = await visit(browser, `${site}/inaccessible`, { viewport: 'phone' });
  const report = await failure(() => accessible(poor.page));
  for (const rule of ['image-alt', 'color-contrast', 'html-has-lang']) assert.match(report, new RegExp(rule));
  assert.match(await failure(() => fits(poor.page)), /px wide in a window of 375px/);
  await poor.close();
});
