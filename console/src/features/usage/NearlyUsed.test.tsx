import { render, screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import type { Quota } from '~/api/types';
import { MonthCurve } from './MonthCurve';
import { NearlyUsed } from './NearlyUsed';

const quota = (name: Quota['name'], used: number, limit: number | null): Quota => ({
  name,
  used,
  limit,
  description: '',
  remaining: limit === null ? null : Math.max(0, limit - used),
  nearly_used: limit !== null && used * 100 >= limit * 80,
  period: null,
  resets_at: null,
});

it('names what little is left of, and is not there where there is enough', () => {
  const { container, rerender } = render(
    <NearlyUsed
      quotas={[quota('storage_bytes', 90 * 1024 * 1024, 100 * 1024 * 1024), quota('workflows', 1, 5)]}
    />,
  );
  expect(screen.getByRole('status').textContent).toContain('Storage: 90 MiB of 100 MiB used');
  expect(screen.queryByText(/Workflows/)).toBeNull();
  rerender(<NearlyUsed quotas={[quota('workflows', 3, 5), quota('executions_per_month', 900, null)]} />);
  expect(container.textContent).toBe('');
});

it('does not warn of slots, which come and go', () => {
  const { container } = render(<NearlyUsed quotas={[quota('concurrent_executions', 2, 2)]} />);
  expect(container.textContent).toBe('');
});

it('says the curve as a table, too', () => {
  render(<MonthCurve label="Storage" quota={quota('storage_bytes', 2048, null)} days={[]} />);
  const today = new Date().toISOString().slice(0, 10);
  expect(screen.getByRole('rowheader', { name: today, hidden: true })).toBeTruthy();
  expect(screen.getAllByText('2 KiB').length).toBeGreaterThan(0);
});
