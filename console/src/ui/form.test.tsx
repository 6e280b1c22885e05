import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { expect, test } from 'vitest';
import { Button } from './button';
import { Form, TextField } from './form';

/** As a page sends: the refusal is gone while the answer is awaited. */
function Page({ send }: { send: (name: string) => string | undefined }) {
  const [name, setName] = useState('');
  const [error, setError] = useState<string>();
  const submit = async () => {
    setError(undefined);
    await Promise.resolve();
    setError(send(name));
  };
  return (
    <Form onSubmit={() => void submit()}>
      <TextField label="Name" value={name} onChange={setName} error={error} isRequired />
      <Button type="submit">Save</Button>
    </Form>
  );
}

test('what was refused can be corrected and sent again, as often as it takes', async () => {
  const sent: string[] = [];
  render(
    <Page
      send={(name) => {
        sent.push(name);
        return name === 'good' ? undefined : 'is taken';
      }}
    />,
  );
  const [field, save] = [screen.getByLabelText('Name'), screen.getByRole('button', { name: 'Save' })];
  for (const name of ['bad', 'worse', 'good']) {
    await userEvent.clear(field);
    await userEvent.type(field, name);
    await userEvent.click(save);
    if (name !== 'good') expect(await screen.findByText('is taken')).toBeDefined();
  }
  expect(sent).toEqual(['bad', 'worse', 'good']);
  expect(screen.queryByText('is taken')).toBeNull();
});
