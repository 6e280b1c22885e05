import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { renderHook } from '@testing-library/react';
import { expect, it } from 'vitest';
import { instanceQuery } from '~/api/query';
import { useCanInvite } from './api';

it.each([
  ['smtp', 'open', true],
  ['outbox', 'invite', true],
  ['none', 'open', false],
  ['smtp', 'closed', false],
])('with mail %s and registration %s people are invited: %s', (mail, registration, can) => {
  const client = new QueryClient();
  client.setQueryData(instanceQuery.queryKey, { mail, registration } as never);
  const { result } = renderHook(useCanInvite, {
    wrapper: ({ children }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>,
  });
  expect(result.current).toBe(can);
});
