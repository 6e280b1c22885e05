import { render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import type { Quota } from '~/api/types';
import { NearlyUsed } from '~/features/usage/NearlyUsed';
import { showRouted } from '~/testing/routed';
import { problem, serve } from '~/testing/server';
import type { PlatformOrganization, PlatformQuota } from './api';
import { Decide } from './Decide';
import { QuotaForm } from './QuotaForm';
import { atAGlance, fullest, share } from './quota-model';

afterEach(() => vi.unstubAllGlobals());

const quota = (name: PlatformQuota['name'], used: number, limit: number | null) =>
  ({ name, used, limit, plan_limit: 5, overridden: false }) as PlatformQuota;
const ACME = { id: 'ten_acme', name: 'Acme', status: 'active' } as PlatformOrganization;
const PATH = '/platform/organizations/ten_acme';

it('says of what least is left', () => {
  const storage = quota('storage_bytes', 90 * 1024 * 1024, 100 * 1024 * 1024);
  const all = [quota('workflows', 4, 5), storage, quota('executions_per_month', 1e6, null)];
  expect(fullest(all)).toBe(storage);
  expect(atAGlance(storage)).toBe('Storage: 90 MiB of 100 MiB');
  // What runs at once comes and goes.
  expect(
    fullest([quota('concurrent_executions', 2, 2), quota('concurrent_connections', 9, 9)]),
  ).toBeUndefined();
  expect(fullest([quota('workflows', 1, null)])).toBeUndefined();
  expect(share(quota('workflows', 0, 0))).toBe(0);
  expect(share(quota('workflows', 1, 0))).toBe(1);
});

it('calls a quota that it does not know by its own name', () => {
  const newer = quota('quantum_jobs' as PlatformQuota['name'], 3, 4);
  expect(atAGlance(newer)).toBe('quantum_jobs: 3 of 4');
  expect(atAGlance(quota('constructor' as PlatformQuota['name'], 3, null))).toBe('constructor: 3, no limit');
  render(<NearlyUsed quotas={[{ ...newer, nearly_used: true } as Quota]} />);
  expect(screen.getByText(/quantum_jobs: 3 of 4 used/)).toBeTruthy();
});

it('suspends for a reason and not without one', async () => {
  const answers: Record<string, [number, unknown]> = {
    [`POST ${PATH}/suspend`]: problem(422, 'invalid', 'the form has faults', [
      { pointer: '/reason', code: 'invalid', detail: 'must be 1 to 500 characters' },
    ]),
  };
  const asked = serve(answers);
  const onClose = vi.fn();
  showRouted(() => <Decide organization={ACME} onClose={onClose} />);
  const suspend = await screen.findByRole('button', { name: 'Suspend organisation' });
  await userEvent.click(suspend);
  expect(asked).toEqual([]);
  await userEvent.type(screen.getByLabelText('Reason'), 'two invoices');
  await userEvent.click(suspend);
  expect(await screen.findByText(/must be 1 to 500 characters/)).toBeTruthy();
  expect(onClose).not.toHaveBeenCalled();
  answers[`POST ${PATH}/suspend`] = [200, { ...ACME, status: 'suspended' }];
  await userEvent.click(suspend);
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(asked.at(-1)).toEqual({ line: `POST ${PATH}/suspend`, body: { reason: 'two invoices' } });
});

it('lets a suspended one go on', async () => {
  const asked = serve({ [`POST ${PATH}/resume`]: [200, ACME] });
  showRouted(() => <Decide organization={{ ...ACME, status: 'suspended' }} onClose={() => {}} />);
  await userEvent.type(await screen.findByLabelText('Reason'), 'paid');
  await userEvent.click(screen.getByRole('button', { name: 'Resume organisation' }));
  await vi.waitFor(() => expect(asked.at(-1)?.line).toBe(`POST ${PATH}/resume`));
});

it.each([
  { choose: undefined, type: undefined, body: { quota: 'workflows', plan_default: true } },
  { choose: 'No limit', type: undefined, body: { quota: 'workflows', limit: null, plan_default: false } },
  { choose: 'Another one', type: '7', body: { quota: 'workflows', limit: 7, plan_default: false } },
])('sends the limit that was chosen: $choose', async ({ choose, type, body }) => {
  const asked = serve({ [`PUT ${PATH}/quota`]: [200, ACME] });
  showRouted(() => <QuotaForm id="ten_acme" quota={quota('workflows', 3, null)} onDone={() => {}} />);
  const select = await screen.findByRole('button', { name: /Which limit/ });
  expect(select.textContent).toContain('The plan’s: 5');
  if (choose) {
    await userEvent.click(select);
    await userEvent.click(screen.getByRole('option', { name: choose }));
  }
  if (type) await userEvent.type(screen.getByLabelText('Limit'), type);
  await userEvent.click(screen.getByRole('button', { name: 'Save limit' }));
  await vi.waitFor(() => expect(asked.at(-1)).toEqual({ line: `PUT ${PATH}/quota`, body }));
});
