// Opens pages in Debian's Chromium for the console's journeys, and fails on what a person at the screen would not see. Knows no page.
//
// Every page is watched from its first byte: a violation of its Content-Security-Policy, an error on its console, an
// exception or a request that failed makes `visit.close()` throw.

import assert from 'node:assert/strict';
import { access, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const viewports = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 375, height: 812 },
};
export const themes = ['light', 'dark'];

const root = fileURLToPath(new URL('../../', import.meta.url));
const artifacts = process.env.CLAVIGER_ARTIFACTS ?? path.join(root, 'target/screenshots');
const patience = 15_000;

/** Runs a journey with a browser of its own; when it fails, what was on the screens is kept as `failed-….png`. */
export async function journey(name, run) {
  const browser = await launch();
  try {
    await run(browser);
    console.log(`${name}: ok`);
  } catch (error) {
    console.error(`${name}: failed\n${error.stack ?? error}`);
    process.exitCode = 1;
    for (const [number, page] of browser.contexts().flatMap((c) => c.pages()).entries()) {
      await shot(page, `failed-${name}-${number}`).catch(() => {});
      console.error(`on the screen: ${page.url()}`);
    }
  } finally {
    await browser.close();
  }
}

/** Debian's Chromium, or `$CHROMIUM`. */
export async function launch() {
  const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].filter(Boolean);
  const found = await Promise.all(candidates.map((file) => access(file).then(() => file, () => null)));
  const executablePath = found.find(Boolean);
  assert(executablePath, 'Chromium is not installed: `apt-get install chromium`, or set CHROMIUM to the path of one');
  const isRoot = process.getuid() === 0;
  return chromium.launch({
    executablePath,
    args: [
      ...(isRoot ? ['--no-sandbox'] : []), // Chromium's own sandbox refuses root
      '--disable-dev-shm-usage',
      '--force-color-profile=srgb',
    ],
  });
}

/**
 * Opens `url` in a context of its own (its own cookies) and watches it.
 *
 * `theme` is 'light' or 'dark', `viewport` a name or a size, `state` what `visit.context.storageState()` of an earlier
 * visit returned, `javaScript: false` switches scripts off, `permissions` such as ['clipboard-read', 'clipboard-write'],
 * `status` what the first page is expected to answer.
 */
export async function visit(browser, url, options = {}) {
  const { theme = 'light', viewport = 'desktop', javaScript = true, state, permissions, status = 200 } = options;
  const context = await browser.newContext({
    colorScheme: theme,
    viewport: typeof viewport === 'string' ? viewports[viewport] : viewport,
    javaScriptEnabled: javaScript,
    storageState: state,
    permissions,
    reducedMotion: 'reduce',
    locale: 'en-US',
    timezoneId: 'UTC',
    bypassCSP: false,
  });
  context.setDefaultTimeout(patience);
  const visit = new Visit(context);
  context.on('page', (page) => visit.watch(page));
  visit.page = await context.newPage();
  visit.expectStatus(status);
  const response = await visit.page.goto(url);
  assert.equal(response.status(), status, `the status of ${url}`);
  return visit;
}

class Visit {
  #troubles = [];
  #expected = new Set();

  constructor(context) {
    this.context = context;
  }

  /** Pages and resources may answer with this status from now on; Chromium writes an error on the console for 4xx and 5xx. */
  expectStatus(status) {
    this.#expected.add(status);
  }

  watch(page) {
    const note = (kind, text) => this.#troubles.push(`${kind} on ${page.url()}: ${text}`);
    page.on('pageerror', (error) => note('exception', error.stack ?? String(error)));
    page.on('crash', () => note('crash', 'the page crashed'));
    page.on('console', (message) => {
      if (message.type() !== 'error') return;
      const refused = /^Failed to load resource: the server responded with a status of (\d+)/.exec(message.text());
      if (refused && this.#expected.has(Number(refused[1]))) return;
      note('console error', `${message.text()} (${message.location().url})`);
    });
    page.on('requestfailed', (request) => {
      const why = request.failure()?.errorText;
      // A page that is left gives up what it was still loading.
      if (why !== 'net::ERR_ABORTED') note('failed request', `${request.url()}: ${why}`);
    });
  }

  /** What went wrong so far. */
  get troubles() {
    return [...this.#troubles];
  }

  /** Closes all pages of the visit, and throws if anything went wrong on any of them. */
  async close() {
    // A round trip through each page, so that what it has said has arrived.
    for (const page of this.context.pages()) await page.title();
    await this.context.close();
    assert.equal(this.#troubles.length, 0, `troubles:\n${this.#troubles.join('\n')}`);
  }
}

/** Saves the whole page as `name.png` among the artefacts. */
export async function shot(page, name) {
  await mkdir(artifacts, { recursive: true });
  const file = path.join(artifacts, `${name}.png`);
  await page.screenshot({ path: file, fullPage: true, animations: 'disabled', caret: 'hide' });
  return file;
}

/** Fails when the page must be scrolled sideways. */
export async function fits(page) {
  const { content, window } = await page.evaluate(() => ({
    content: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
  }));
  assert(content <= window, `${page.url()} is ${content}px wide in a window of ${window}px`);
}

/** Looks at the page in both themes and sizes, saves what it looks like, and has axe check it. */
export async function inspect(page, name) {
  const size = page.viewportSize();
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    for (const [viewport, dimensions] of Object.entries(viewports)) {
      await page.setViewportSize(dimensions);
      await fits(page);
      await shot(page, `${name}-${theme}-${viewport}`);
      await accessible(page);
    }
  }
  await page.setViewportSize(size);
}

/**
 * Fails on what axe-core finds against WCAG 2.2 A and AA and its best practices, in the page as it stands, open dialogs included.
 *
 * axe runs in an isolated world of the very page, through the debugger. So neither the policy nor trusted types need to be
 * bypassed, the page's own scripts see nothing of it, and a state that took five clicks to reach need not be reached twice.
 */
export async function accessible(page, { disable = [] } = {}) {
  const debug = await page.context().newCDPSession(page);
  const { frameTree } = await debug.send('Page.getFrameTree');
  const { executionContextId: contextId } = await debug.send('Page.createIsolatedWorld', {
    frameId: frameTree.frame.id,
    worldName: 'axe',
  });
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await debug.send('Runtime.evaluate', {
      contextId,
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    assert(!exceptionDetails, exceptionDetails?.exception?.description);
    return result.value;
  };
  const source = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  await evaluate(`${await readFile(source, 'utf8')};0`);
  const options = {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    rules: Object.fromEntries(disable.map((rule) => [rule, { enabled: false }])),
    resultTypes: ['violations'],
    preload: false, // it would fetch style sheets, which the policy may forbid
  };
  const { violations, passes } = await evaluate(
    `axe.run(document, ${JSON.stringify(options)}).then(({ violations, passes }) => ({ violations, passes: passes.length }))`,
  );
  await debug.detach();
  assert(passes > 0, 'axe has checked nothing');
  const report = violations.map(({ id, impact, help, nodes }) =>
    [`${id} (${impact}): ${help}`, ...nodes.map((n) => `  ${n.target.join(' ')}\n    ${n.failureSummary.replaceAll('\n', '\n    ')}`)].join('\n'),
  );
  assert.equal(violations.length, 0, `accessibility of ${page.url()}:\n${report.join('\n')}`);
}
