import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { expect, it } from 'vitest';
import { useAll } from './query';

it('follows a list to its end', async () => {
  const pages: Record<string, { items: number[]; next_cursor: string | null }> = {
    '': { items: [1, 2], next_cursor: 'b' },
    b: { items: [], next_cursor: 'c' },
    c: { items: [3], next_cursor: null },
  };
  const asked: string[] = [];
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  const fetchPage = async (cursor = '') => {
    asked.push(cursor);
    const page = pages[cursor];
    if (!page) throw new Error(`no page ${cursor}`);
    return page;
  };
  const { result } = renderHook(() => useAll(['numbers'], fetchPage), { wrapper });
  await waitFor(() => expect(result.current.data).toEqual([1, 2, 3]));
  expect(asked).toEqual(['', 'b', 'c']);
});
