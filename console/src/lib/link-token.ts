import { useEffect, useState } from 'react';

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
  useEffect(() => {
    // Another link in the same tab changes nothing but what stands behind the `#`. It begins the page anew.
    const again = () => {
      takeLinkToken(page);
      location.reload();
    };
    addEventListener('hashchange', again);
    return () => removeEventListener('hashchange', again);
  }, [page]);
  return token;
}
