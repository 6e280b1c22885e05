import { screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import { showRouted } from '~/testing/routed';
import { problem, serve } from '~/testing/server';
import { DecideAbout } from './DecideAbout';
import { canLook, type PlatformPerson } from './people';

afterEach(() => vi.unstubAllGlobals());

const ADA = { id: 'usr_ada', username: 'ada', status: 'active' } as PlatformPerson;
const PATH = '/platform/people/usr_ada';

it.each([
  [{}, false],
  [{ search: 'ad' }, false],
  [{ search: ' ad ' }, false],
  [{ search: 'ada' }, true],
  [{ suspended: true }, true],
  [{ suspended: true, search: 'ad' }, false],
] as const)('asks the server for %j: %s', (filter, looks) => {
  expect(canLook(filter)).toBe(looks);
});

it('suspends for a reason, and says why the server would not', async () => {
  const answers: Record<string, [number, unknown]> = {
    [`POST ${PATH}/suspend`]: problem(409, 'conflict', 'nobody else administers the platform'),
  };
  const asked = serve(answers);
  const onClose = vi.fn();
  showRouted(() => <DecideAbout person={ADA} onClose={onClose} />);
  const suspend = await screen.findByRole('button', { name: 'Suspend person' });
  await userEvent.type(screen.getByLabelText('Reason'), 'stolen');
  await userEvent.click(suspend);
  expect(await screen.findByText(/nobody else administers the platform/)).toBeTruthy();
  expect(onClose).not.toHaveBeenCalled();
  answers[`POST ${PATH}/suspend`] = [200, { ...ADA, status: 'suspended' }];
  await userEvent.click(suspend);
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(asked.at(-1)).toEqual({ line: `POST ${PATH}/suspend`, body: { reason: 'stolen' } });
});

it('lets a suspended one go on', async () => {
  const asked = serve({ [`POST ${PATH}/resume`]: [200, ADA] });
  showRouted(() => <DecideAbout person={{ ...ADA, status: 'suspended' }} onClose={() => {}} />);
  await userEvent.type(await screen.findByLabelText('Reason'), 'found');
  await userEvent.click(screen.getByRole('button', { name: 'Resume person' }));
  await vi.waitFor(() => expect(asked.at(-1)?.line).toBe(`POST ${PATH}/resume`));
});
