import { expect, it } from 'vitest';
import { readCsv } from './csv-file';

const file = (...parts: BlobPart[]) => new File(parts, 'people.csv', { type: 'text/csv' });

it('reads UTF-8, with the mark that spreadsheets set before it', async () => {
  expect(await readCsv(file('\u{feff}email,full_name\na@b,Zoë\n'))).toEqual({
    name: 'people.csv',
    csv: 'email,full_name\na@b,Zoë\n',
  });
});

it('takes no names that another encoding would destroy', async () => {
  const latin1 = new Uint8Array([0x5a, 0x6f, 0xeb]);
  const fault = 'This file is not UTF-8; save it as CSV UTF-8.';
  expect(await readCsv(file('full_name\n', latin1))).toEqual({ name: 'people.csv', fault });
  const utf16 = new Uint8Array([0xff, 0xfe, 0x5a, 0x00]);
  expect(await readCsv(file(utf16))).toEqual({ name: 'people.csv', fault });
});

it('takes no more than the server does', async () => {
  const [most, more] = [8 * 1024 * 1024, 8 * 1024 * 1024 + 1].map((size) =>
    file(new Uint8Array(size).fill(65)),
  );
  expect(most && (await readCsv(most)).fault).toBeUndefined();
  expect(more && (await readCsv(more)).fault).toBe('This file is larger than 8 MiB; split it.');
});
