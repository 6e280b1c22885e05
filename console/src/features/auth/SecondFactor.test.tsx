import { render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { canUsePasskeys } from '~/lib/passkeys';
import { SecondFactor } from './SecondFactor';

function show(factors: Parameters<typeof SecondFactor>[0]['factors'], onTyped = vi.fn()) {
  render(
    <SecondFactor
      factors={factors}
      action="Log in"
      isPending={false}
      problem={null}
      onTyped={onTyped}
      onPasskey={() => {}}
    />,
  );
  return onTyped;
}

it('takes the code of the app, or a recovery code instead', async () => {
  const onTyped = show(['totp', 'recovery_code']);
  await userEvent.type(screen.getByLabelText('Code of your authenticator app'), ' 123 456 ');
  await userEvent.click(screen.getByRole('button', { name: 'Log in' }));
  expect(onTyped).toHaveBeenLastCalledWith({ code: '123 456' });
  await userEvent.click(screen.getByRole('button', { name: 'Use a recovery code instead' }));
  await userEvent.type(screen.getByLabelText('Recovery code'), 'abcd-efgh-jkmn-pqrs');
  await userEvent.click(screen.getByRole('button', { name: 'Log in' }));
  expect(onTyped).toHaveBeenLastCalledWith({ recovery_code: 'abcd-efgh-jkmn-pqrs' });
});

it('asks for the password of who has nothing else', async () => {
  const onTyped = show(['password']);
  await userEvent.type(screen.getByLabelText('Password'), 'a quiet green meadow');
  await userEvent.click(screen.getByRole('button', { name: 'Log in' }));
  expect(onTyped).toHaveBeenCalledWith({ password: 'a quiet green meadow' });
  expect(screen.queryByRole('button', { name: /instead|passkey/ })).toBeNull();
});

it('offers no passkey at an address or in a browser that has none', () => {
  vi.stubGlobal('PublicKeyCredential', { parseRequestOptionsFromJSON() {} });
  expect(
    ['tenure.example.com', 'localhost', '127.0.0.1', '[::1]'].map((host) => canUsePasskeys(host)),
  ).toEqual([true, true, false, false]);
  vi.unstubAllGlobals();
  expect(canUsePasskeys('tenure.example.com')).toBe(false);
});
