// Generates src/api/schema.d.ts from the server's OpenAPI document, or from the draft while there is none.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const source = [at('../../openapi.json'), at('../openapi.draft.json')].find(existsSync);
const target = at('../src/api/schema.d.ts');

const types = astToString(await openapiTS(JSON.parse(await readFile(source, 'utf8'))));
const text = `// Generated from ${source.split('/').pop()} by \`npm run api\`; do not edit.\n${types}`;
const before = existsSync(target) ? await readFile(target, 'utf8') : '';
if (text !== before) {
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, text);
}
