import { useState } from 'react';

const KEY = 'tenure.link:';

/**
 * What a link in a message carries. It stands behind the `#`, which no browser sends, and leaves the address bar and the
 * history at once; this tab keeps it until it is used, so that a reload or a login in between does not lose it.
 */
export function takeLinkToken(page: string): string {
  const found = new URLSearchParams(location.hash.slice(1)).get('token');
  if (found === null) return sessionStorage.getItem(KEY + page) ?? '';
  sessionStorage.setItem(KEY + page, found);
  history.replaceState(history.state, '', location.pathname + location.search);
  return found;
}

export function forgetLinkToken(page: string): void {
  sessionStorage.removeItem(KEY + page);
}

export function useLinkToken(page: string): string {
  const [token] = useState(() => takeLinkToken(page));
  return token;
}
