import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import { meQuery } from '~/api/query';
import { serve } from '~/testing/server';
import { PermissionChoice } from './PermissionChoice';

const CATALOGUE = ['team:read', 'team:write', 'api_key:read'].map((name) => ({
  name,
  description: `about ${name}`,
  writes: false,
}));

function show(held: string[], props: { offered?: string[]; error?: string } = {}) {
  const asked = serve({ 'GET /permissions': [200, { items: CATALOGUE, next_cursor: null }] });
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  client.setQueryData(meQuery.queryKey, { permissions: held } as never);
  const onChange = vi.fn();
  render(
    <QueryClientProvider client={client}>
      <PermissionChoice value={[]} onChange={onChange} {...props} />
    </QueryClientProvider>,
  );
  return { asked, onChange };
}
const names = () => screen.getAllByRole('checkbox').map((box) => box.closest('label')?.textContent);

afterEach(() => vi.unstubAllGlobals());

it('offers what may be given, and a wildcard only where that is all of its resource', async () => {
  const { onChange } = show(['role:read'], { offered: ['team:read', 'api_key:read'], error: 'too much' });
  expect(await screen.findByRole('checkbox', { name: /^team:read/ })).toBeTruthy();
  expect(names()).toEqual([
    'team:read about team:read',
    'everything of api key also what later versions add',
    'api_key:read about api_key:read',
  ]);
  expect(screen.getByRole('alert').textContent).toContain('too much');
  await userEvent.click(screen.getByRole('checkbox', { name: /^everything of api key/ }));
  expect(onChange).toHaveBeenCalledWith(['api_key:*']);
});

it('shows the names alone to who may not read the catalogue, and does not ask for it', () => {
  const { asked } = show(['team:read', 'team:write']);
  expect(names()).toEqual(['team:read ', 'team:write ']);
  expect(asked).toEqual([]);
});
