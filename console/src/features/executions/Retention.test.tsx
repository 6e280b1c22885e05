import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { showRouted } from '~/testing/routed';
import { problem, serve } from '~/testing/server';
import { Retention } from './Retention';

const GET = 'GET /executions/retention';
const PUT = 'PUT /executions/retention';
const said = (keep_days: number | null, installation_days: number | null, in_force_days: number | null) =>
  [200, { keep_days, installation_days, in_force_days }] as [number, unknown];

it('asks before anything is deleted by it, and not where nothing is', async () => {
  const answers: Record<string, [number, unknown]> = { [GET]: said(30, 90, 30), [PUT]: said(7, 90, 7) };
  const asked = serve(answers);
  const puts = () => asked.filter(({ line }) => line === PUT).map(({ body }) => body);
  showRouted(Retention);
  expect(await screen.findByText(/deleted 30 days after they have ended/)).toBeTruthy();
  const field = screen.getByLabelText('Days after their end');
  const save = () => userEvent.click(screen.getByRole('button', { name: 'Save how long' }));
  await userEvent.clear(field);
  await userEvent.type(field, '7');
  await save();
  await userEvent.click(await screen.findByRole('button', { name: 'Cancel' }));
  expect(puts()).toEqual([]);
  await save();
  await userEvent.click(await screen.findByRole('button', { name: 'Delete what is older' }));
  expect(await screen.findByText(/deleted 7 days after they have ended/)).toBeTruthy();
  expect(puts()).toEqual([{ keep_days: 7 }]);

  // As the installation says: longer.
  answers[PUT] = said(null, 90, 90);
  await userEvent.clear(field);
  await save();
  await waitFor(() => expect(puts()).toEqual([{ keep_days: 7 }, { keep_days: null }]));
  expect(screen.queryByRole('alertdialog')).toBeNull();
});

it('says at the field what the server refuses', async () => {
  serve({
    [GET]: said(null, 90, 90),
    [PUT]: problem(422, 'invalid', 'too long', [{ pointer: '/keep_days', detail: 'must be 1 to 90' }]),
  });
  showRouted(Retention);
  await userEvent.type(await screen.findByLabelText('Days after their end'), '91');
  await userEvent.click(screen.getByRole('button', { name: 'Save how long' }));
  expect(await screen.findByText(/must be 1 to 90/)).toBeTruthy();
});
