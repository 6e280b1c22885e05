import { screen, waitFor } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import { forget } from '~/api/session';
import { showRouted } from '~/testing/routed';
import { problem, serve } from '~/testing/server';
import { SetupPage } from './SetupPage';

const INSTANCE = { auth: 'on', mail: 'none', password_min_length: 12 };
const TYPED = {
  Organisation: 'Operations',
  'Your full name': 'Olga',
  'E-mail': 'olga@example.com',
  'User name': 'olga',
  Password: 'a quiet green meadow',
};

afterEach(() => {
  vi.unstubAllGlobals();
  sessionStorage.clear();
  forget();
  history.replaceState(null, '', '/');
});

async function fill(): Promise<void> {
  for (const [label, value] of Object.entries(TYPED)) {
    await userEvent.click(await screen.findByLabelText(label));
    await userEvent.paste(value);
  }
}

it('makes the first administrator and logs in', async () => {
  history.replaceState(null, '', '/setup#token=tnr_ml_setup');
  const asked = serve({
    'GET /instance': [200, INSTANCE],
    'POST /setup': [201, {}],
    'POST /auth/login': [200, { access_token: 'of-olga', expires_in: 900 }],
  });
  showRouted(SetupPage);
  await fill();
  expect(location.href).not.toContain('tnr_ml_setup');
  await userEvent.click(screen.getByRole('button', { name: 'Set up' }));
  await waitFor(() => expect(asked.some(({ line }) => line === 'POST /auth/login')).toBe(true));
  const sent = (line: string) => asked.find((one) => one.line === line)?.body;
  expect(sent('POST /setup')).toEqual({
    token: 'tnr_ml_setup',
    organization_name: 'Operations',
    full_name: 'Olga',
    email: 'olga@example.com',
    username: 'olga',
    password: 'a quiet green meadow',
  });
  expect(sent('POST /auth/login')).toEqual({
    username: 'olga',
    password: 'a quiet green meadow',
    refresh: 'cookie',
  });
  expect(sessionStorage.length).toBe(0);
});

it('says when the link is over, and keeps it after a fault of the form', async () => {
  history.replaceState(null, '', '/setup#token=tnr_ml_setup');
  const answers: Record<string, [number, unknown]> = {
    'GET /instance': [200, INSTANCE],
    'POST /setup': problem(422, 'invalid', 'the form has faults', [
      { pointer: '/password', code: 'invalid', detail: 'is one of those' },
    ]),
  };
  serve(answers);
  showRouted(SetupPage);
  await fill();
  const submit = screen.getByRole('button', { name: 'Set up' });
  await userEvent.click(submit);
  expect(await screen.findByText(/is one of those/)).toBeTruthy();
  expect(sessionStorage.length).toBe(1);
  answers['POST /setup'] = problem(410, 'link-over', 'this link was used already');
  await userEvent.click(submit);
  expect((await screen.findByRole('alert')).textContent).toContain('this link was used already');
  expect(screen.getByText(/Start the server again/)).toBeTruthy();
});

it('asks nothing of who came without a link', async () => {
  serve({ 'GET /instance': [200, INSTANCE] });
  showRouted(SetupPage);
  expect(await screen.findByText('A link opens this page')).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Set up' })).toBeNull();
});
