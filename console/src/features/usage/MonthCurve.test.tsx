import { render } from '@testing-library/react';
import { expect, it } from 'vitest';
import type { Quota } from '~/api/types';
import { MonthCurve } from './MonthCurve';

const says = (used: number, limit: number | null) => {
  const quota = { name: 'executions_per_month', used, limit, period: null } as Quota;
  return render(<MonthCurve label="Executions" quota={quota} days={[]} />).container.textContent;
};

it('says of the limit what is so, and nothing where there is none', () => {
  expect(says(50, 100)).toContain('The dashed line is the limit.');
  expect(says(1, 100)).toContain('Too far below the limit to show it.');
  expect(says(50, null)).not.toContain('limit');
});
