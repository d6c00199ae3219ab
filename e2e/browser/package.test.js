import assert from 'node:assert/strict';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { emptyFolder, startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';

const web = fileURLToPath(new URL('../../web', import.meta.url));
const realtime = path.join(web, 'packages/realtime');

/** What the code in the package's README is called, in order, and what an application has around it. */
const examples = ['server.ts', 'react.tsx', 'vue.ts', 'javascript.js', 'apollo.ts'];
const around = {
  react: `import { createElement } from 'react';
    import { createRoot } from 'react-dom/client';
    import { LiveState } from './react';
    createRoot(document.querySelector('main')).render(createElement(LiveState, { person: '1' }));`,
  vue: `import { createApp, h } from 'vue';
    import { useLive } from './vue';
    const setup = () => {
      const state = useLive();
      return () => h('p', state.value);
    };
    createApp({ setup }).mount('main');`,
  javascript: 'import \'./javascript\';',
};

/** show puts a script on an empty page of the server's, on which stands what the script writes to the console. */
async function show(tab, url, script) {
  await tab.goto(`${url}/healthz`);
  await tab.evaluate(() => {
    document.body.innerHTML = '<main></main><section></section>';
    console.log = (text) => document.querySelector('section').append(text, document.createElement('br'));
  });
  await tab.addScriptTag({ url: `/try/${script}`, type: 'module' });
}

/** build returns the scripts that the README's code becomes, by their names. */
async function build(t) {
  const root = await emptyFolder(t);
  await symlink(path.join(web, 'node_modules'), path.join(root, 'node_modules'));
  const readme = await readFile(path.join(realtime, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```[jt]sx?\n([^]*?)^```$/gm)].map(([, code]) => code);
  assert.equal(blocks.length, examples.length);
  await Promise.all(examples.map((name, i) => writeFile(path.join(root, name), blocks[i])));
  await Promise.all(Object.entries(around).map(([name, code]) => writeFile(path.join(root, `${name}-page.js`), code)));
  const vite = await import(path.join(web, 'node_modules/vite/dist/node/index.js'));
  const { output } = await vite.build({
    root, configFile: false, logLevel: 'warn',
    resolve: { alias: { '@lorebridge/realtime': path.join(realtime, 'src') } },
    build: {
      write: false, minify: false, modulePreload: false,
      rolldownOptions: {
        input: Object.fromEntries(Object.keys(around).map((name) => [name, path.join(root, `${name}-page.js`)])),
        output: { entryFileNames: '[name].js', chunkFileNames: '[name].js' },
      },
    },
  });
  return new Map(output.map(({ fileName, code }) => [fileName, code]));
}

scenario('the code in the package\'s README says live what was answered, and then what was missed', async (t) => {
  const [server, scripts] = await Promise.all([startServer(t), build(t)]);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  for (const name of Object.keys(around)) {
    const device = await openDevice(t, server, { person: ada, at: null });
    const tab = device.page;
    await tab.route('**/try/*', (route) => {
      const body = scripts.get(path.basename(new URL(route.request().url()).pathname));
      return route.fulfill({ body, contentType: 'text/javascript' });
    });
    await show(tab, device.url, `${name}.js`);
    await expect(tab.getByText('connected')).toBeVisible();

    const { knowledgeRequest } = await ada.ask(bob, `Does it work with ${name}?`);
    await bob.answer(knowledgeRequest.id, 'APPROVED', 'It does.');
    await expect(tab.locator('section')).toContainText('It was approved');

    await show(tab, device.url, `${name}.js`);
    await expect(tab.locator('section')).toContainText('You have missed a KNOWLEDGE_RESPONSE');
    await device.close();
  }
});
