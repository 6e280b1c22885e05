// Screenshots of each page on the built console under the strict policy and the mock API:
//   npm run build && node dev/shots.mjs [page …]   → test-results/shots/<page>-<theme>-<width>.png
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import AxeBuilder from '@axe-core/playwright';
import { chromium } from '@playwright/test';

const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
const server = spawn('node_modules/.bin/vite', ['preview', '--port', String(port), '--strictPort'], {
  env: { ...process.env, TENURE_MOCK: '1' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
await new Promise((resolve) =>
  server.stdout.on('data', (line) => String(line).includes('http') && resolve()),
);
const origin = `http://127.0.0.1:${port}`;
const out = 'test-results/shots';
mkdirSync(out, { recursive: true });

const first = async (page, path, selector = '.row-link') => {
  await page.goto(origin + path);
  const href = await page.locator(selector).first().getAttribute('href');
  await page.goto(origin + href);
};
const PAGES = {
  login: { visitor: true, path: '/login' },
  register: { visitor: true, path: '/register' },
  home: { path: '/' },
  teams: { path: '/teams' },
  workflows: { path: '/workflows' },
  definition: { open: (page) => first(page, '/workflows') },
  faults: {
    open: async (page) => {
      await first(page, '/workflows');
      await page.locator('.cm-content').click();
      await page.keyboard.press('Control+End');
      await page.keyboard.type('  - { from: totals, to: pubish }\n');
      await page.waitForTimeout(1200);
    },
  },
  newworkflow: { path: '/workflows/new' },
  run: {
    open: async (page) => {
      await first(page, '/workflows');
      await page.getByRole('link', { name: 'Run' }).first().click();
    },
  },
  executions: { path: '/executions' },
  execution: { open: (page) => first(page, '/executions') },
  step: {
    open: async (page) => {
      await first(page, '/executions');
      await page.locator('button.timeline-row', { hasText: 'grade' }).click();
      await page.locator('button.timeline-nested').nth(3).click();
      await page.waitForTimeout(400);
    },
  },
  approvals: { path: '/approvals' },
  plugins: { path: '/plugins' },
  plugin: { open: (page) => first(page, '/plugins') },
  secrets: { path: '/secrets' },
  members: { path: '/members' },
  usage: { path: '/usage' },
  audit: { path: '/audit' },
};

const wanted = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  for (const theme of ['light', 'dark']) {
    for (const width of [1440, 390]) {
      const context = await browser.newContext({
        viewport: { width, height: width === 390 ? 844 : 900 },
        colorScheme: theme,
        bypassCSP: false,
      });
      context.setDefaultTimeout(6000);
      const page = await context.newPage();
      page.on('console', (message) => {
        if (message.type() === 'error' && !/401/.test(message.text()))
          console.log(`[${theme} ${width}] ${message.text()}`);
      });
      page.on('pageerror', (error) => console.log(`[${theme} ${width}] ${error.message}`));
      let inside = false;
      for (const [name, { path, open, visitor }] of Object.entries(PAGES)) {
        if (wanted.length && !wanted.includes(name)) continue;
        if (!visitor && !inside) {
          await page.goto(`${origin}/login`);
          await page.getByLabel('User name or e-mail').fill('ada');
          await page.getByLabel('Password').fill('correct horse battery');
          await page.getByRole('button', { name: 'Log in' }).click();
          await page.getByRole('heading', { level: 1, name: /./ }).waitFor();
          inside = true;
        }
        if (visitor) inside = false;
        try {
          if (open) await open(page);
          else await page.goto(origin + path);
          await page.waitForTimeout(700);
          await page.screenshot({ path: `${out}/${name}-${theme}-${width}.png` });
          const { violations } = await new AxeBuilder({ page })
            .setLegacyMode()
            .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
            .analyze();
          for (const { id, nodes } of violations)
            console.log(
              `[${name} ${theme} ${width}] axe ${id}: ${nodes
                .map((node) => `${node.target} ${node.any[0]?.message ?? ''}`)
                .slice(0, 3)
                .join(' | ')}`,
            );
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (overflow > 0) console.log(`[${name} ${theme} ${width}] page is ${overflow}px too wide`);
        } catch (error) {
          console.log(`[${name} ${theme} ${width}] ${error.message.split('\n')[0]}`);
        }
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
  server.kill();
}
