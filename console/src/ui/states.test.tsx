import { render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { Problem } from '~/api/problem';
import { Failed, ProblemNotice } from './states';

it('names the permission that is missing, and offers no retry', () => {
  const problem = new Problem({
    type: '/docs/problems#permission-denied',
    code: 'permission-denied',
    title: 'Refused',
    status: 403,
    detail: 'this needs the permission audit:read, which you do not hold',
    permission: 'audit:read',
  });
  render(<Failed problem={problem} label="the audit log" onRetry={() => {}} />);
  expect(screen.getByRole('alert').textContent).toContain('This needs the permission audit:read');
  expect(screen.queryByRole('button')).toBeNull();
});

it('says what failed and tries again when asked', async () => {
  const onRetry = vi.fn();
  render(<Failed problem={Problem.unreachable()} label="teams" onRetry={onRetry} />);
  expect(screen.getByRole('alert').textContent).toContain('The server cannot be reached');
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  expect(onRetry).toHaveBeenCalledOnce();
});

it('lists every fault and every user of a resource', () => {
  const problem = new Problem({
    type: '/docs/problems#in-use',
    code: 'in-use',
    title: 'Plugin not deleted',
    detail: 'workflows use it',
    status: 409,
    used_by: [{ id: 'wf_1', name: 'triage' }],
    errors: [{ pointer: '/name', detail: 'is taken', code: 'taken' }],
  });
  render(<ProblemNotice problem={problem} />);
  const text = screen.getByRole('alert').textContent;
  expect(text).toContain('Used by triage');
  expect(text).toContain('/name is taken');
});
