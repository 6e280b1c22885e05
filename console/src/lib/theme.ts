import { useSyncExternalStore } from 'react';

/** What the person chose; `system` follows the device. public/theme.js applies it before the first paint. */
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'tenure.theme';
const listeners = new Set<() => void>();
const device = globalThis.matchMedia?.('(prefers-color-scheme: dark)');
device?.addEventListener('change', notify);

function notify(): void {
  for (const listener of listeners) listener();
}

export function chosenTheme(): Theme {
  const stored = localStorage.getItem(KEY);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

export function chooseTheme(theme: Theme): void {
  if (theme === 'system') {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
  }
  notify();
}

/** Light or dark, as shown now. */
export function shownTheme(): 'light' | 'dark' {
  const theme = chosenTheme();
  if (theme !== 'system') return theme;
  return device?.matches ? 'dark' : 'light';
}

export function toggleTheme(): void {
  chooseTheme(shownTheme() === 'dark' ? 'light' : 'dark');
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useShownTheme(): 'light' | 'dark' {
  return useSyncExternalStore(subscribe, shownTheme);
}

export function useChosenTheme(): Theme {
  return useSyncExternalStore(subscribe, chosenTheme);
}
