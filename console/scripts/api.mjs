// Generates src/api/schema.d.ts from the server's OpenAPI document.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = at('../src/api/schema.d.ts');

const document = JSON.parse(await readFile(at('../../openapi.json'), 'utf8'));
const text = `// Generated from openapi.json by \`npm run api\`; do not edit.\n${astToString(await openapiTS(document))}`;
const before = await readFile(target, 'utf8').catch(() => '');
if (text !== before) {
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, text);
}
