import { afterEach, expect, it } from 'vitest';
import { forgetLinkToken, takeLinkToken } from './link-token';

afterEach(() => {
  sessionStorage.clear();
  history.replaceState(null, '', '/');
});

it('takes the token out of the address and keeps it until it is used', () => {
  history.replaceState(null, '', '/reset-password#token=tnr_ml_abc');
  expect(takeLinkToken('reset')).toBe('tnr_ml_abc');
  expect(location.href).not.toContain('tnr_ml_abc');
  expect(takeLinkToken('reset')).toBe('tnr_ml_abc');
  expect(takeLinkToken('verify')).toBe('');
  forgetLinkToken('reset');
  expect(takeLinkToken('reset')).toBe('');
});

it('takes a newer link before the one it knows', () => {
  history.replaceState(null, '', '/reset-password#token=first');
  takeLinkToken('reset');
  history.replaceState(null, '', '/reset-password#token=second');
  expect(takeLinkToken('reset')).toBe('second');
  expect(takeLinkToken('reset')).toBe('second');
});
