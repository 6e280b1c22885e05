import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import type { Me } from '~/api/types';
import { showRouted } from '~/testing/routed';
import { problem, serve } from '~/testing/server';
import { OwnPassword } from './OwnPassword';

const me = { user: { username: 'ada' }, password_change_required: true } as unknown as Me;

afterEach(() => vi.unstubAllGlobals());

it('asks for another password as long as this person’s must be', async () => {
  const answers: Parameters<typeof serve>[0] = {
    'GET /instance': [200, { password_min_length: 12 }],
    'GET /auth/mfa': [200, { password_min_length: 12 }],
    'POST /auth/password': problem(422, 'invalid', 'Some fields are wrong', [
      { pointer: '/new_password', detail: 'is your password already; choose another' },
    ]),
  };
  const asked = serve(answers);
  showRouted(() => <OwnPassword me={me} />);
  expect(await screen.findByRole('heading', { name: 'Choose your own password' })).toBeDefined();
  await userEvent.type(screen.getByLabelText('Current password'), 'of an administrator');
  await userEvent.type(screen.getByLabelText('New password'), 'of an administrator');
  await userEvent.type(screen.getByLabelText('New password again'), 'of an administrator');
  await userEvent.click(screen.getByRole('button', { name: 'Change password' }));
  expect(await screen.findByText('is your password already; choose another')).toBeDefined();
  answers['POST /auth/password'] = [204, undefined];
  await userEvent.click(screen.getByRole('button', { name: 'Change password' }));
  await waitFor(() => expect(asked.filter(({ line }) => line === 'POST /auth/password')).toHaveLength(2));
  await waitFor(() => expect(screen.getByLabelText<HTMLInputElement>('Current password').value).toBe(''));
});
