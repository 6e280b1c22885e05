import { render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { Issued } from './Issued';

it('shows the key whole, copies it, and says that it is gone afterwards', async () => {
  const user = userEvent.setup();
  const onDone = vi.fn();
  render(<Issued text="tnr_dev_1_2_3" onDone={onDone} />);
  expect(screen.getByTestId('api-key').textContent).toBe('tnr_dev_1_2_3');
  expect(screen.getByRole('status').textContent).toContain('not shown again');
  await user.click(screen.getByRole('button', { name: 'Copy the key' }));
  expect(await navigator.clipboard.readText()).toBe('tnr_dev_1_2_3');
  await user.click(screen.getByRole('button', { name: 'I have copied it' }));
  expect(onDone).toHaveBeenCalledOnce();
});
