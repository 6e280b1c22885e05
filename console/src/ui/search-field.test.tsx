import { act, render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { useState } from 'react';
import { expect, it, vi } from 'vitest';
import { SearchField } from './search-field';

const pause = (ms: number) => act(() => new Promise((resolve) => setTimeout(resolve, ms)));

/** A page that takes what is reported only after a while, as a router does. */
function Page({ onChange }: { onChange: (text: string) => void }) {
  const [value, setValue] = useState('');
  const change = (text: string) => {
    onChange(text);
    setTimeout(() => setValue(text), 100);
  };
  return (
    <>
      <SearchField label="Search" value={value} onChange={change} />
      <button type="button" onClick={() => setValue('')}>
        Clear
      </button>
    </>
  );
}

it('keeps each letter, reports after a pause, and takes over what comes from elsewhere', async () => {
  const onChange = vi.fn();
  render(<Page onChange={onChange} />);
  const field = screen.getByLabelText<HTMLInputElement>('Search');
  await userEvent.type(field, 'gra');
  expect(field.value).toBe('gra');
  expect(onChange).not.toHaveBeenCalled();
  await pause(300);
  // The page has yet to take what was reported when the next letter comes.
  await userEvent.type(field, 'ce');
  await pause(150);
  expect(field.value).toBe('grace');
  await pause(300);
  expect(onChange.mock.calls).toEqual([['gra'], ['grace']]);

  await userEvent.type(field, ' h');
  await userEvent.click(screen.getByRole('button', { name: 'Clear' }));
  await pause(350);
  expect(field.value).toBe('');
  expect(onChange).toHaveBeenCalledTimes(2);
});
