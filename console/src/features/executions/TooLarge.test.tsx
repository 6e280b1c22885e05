import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { adopt } from '~/api/session';
import { Toasts } from '~/ui/toast';
import type { ValueOf } from './api';
import { isCut, TooLarge } from './TooLarge';

const saved: { name: string; url: string }[] = [];
let asked: Request[] = [];

function answering(answer: () => Response): void {
  vi.stubGlobal('fetch', async (request: Request) => {
    asked.push(request);
    return answer();
  });
}

beforeEach(() => {
  saved.length = 0;
  asked = [];
  adopt({ access_token: 'the-token', expires_in: 900 } as never);
  URL.createObjectURL = vi.fn(() => 'blob:made');
  URL.revokeObjectURL = vi.fn();
  vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (this: HTMLAnchorElement) {
    saved.push({ name: this.download, url: this.href });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function show(of: ValueOf): void {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <TooLarge size={3 * 1_048_576} of={of} />
      <Toasts />
    </QueryClientProvider>,
  );
}

it('saves the whole value by keyboard, with the token, under the server’s name', async () => {
  const headers = { 'content-disposition': 'attachment; filename="exe_1-each-17--output.json"' };
  answering(() => new Response('{"a":1}', { headers }));
  show({ execution: 'exe_1', step: 'each[17]', what: 'output' });
  expect(screen.getByText(/3.0 MiB of JSON/)).toBeTruthy();
  await userEvent.tab();
  expect(document.activeElement?.textContent).toContain('Download output');
  await userEvent.keyboard('{Enter}');
  await waitFor(() => expect(saved).toEqual([{ name: 'exe_1-each-17--output.json', url: 'blob:made' }]));
  expect(new URL(asked[0]?.url ?? '').pathname).toBe('/api/v1/executions/exe_1/steps/each%5B17%5D/output');
  expect(asked[0]?.headers.get('authorization')).toBe('Bearer the-token');
  const file = vi.mocked(URL.createObjectURL).mock.calls[0]?.[0] as Blob;
  expect(file.size).toBe('{"a":1}'.length);
});

it('says why nothing was saved', async () => {
  const problem = { type: '', code: 'not-found', title: 'Not here', status: 404, detail: 'not yet' };
  answering(() => new Response(JSON.stringify(problem), { status: 404 }));
  show({ execution: 'exe_1', what: 'input' });
  await userEvent.click(screen.getByRole('button', { name: 'Download input' }));
  expect(await screen.findByText('Not here: not yet')).toBeTruthy();
  expect(saved).toEqual([]);
});

it('knows what was left out of a step’s input', () => {
  expect(isCut({ input: { list: { not_shown: { size: 70_000 } } } })).toBe(true);
  expect(isCut({ not_shown: 'a word' })).toBe(false);
  expect(isCut(undefined)).toBe(false);
});
