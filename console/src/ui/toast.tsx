import { X } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { Problem } from '~/api/problem';
import { Button } from './button';

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN_MS = 6000;
let toasts: Toast[] = [];
let nextId = 0;
const listeners = new Set<() => void>();

function update(next: Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function dismiss(id: number): void {
  update(toasts.filter((toast) => toast.id !== id));
}

/** Says that something was done; it leaves by itself. */
export function toast(text: string): void {
  const id = nextId++;
  update([...toasts, { id, text, bad: false }]);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Says that something was refused; it stays until dismissed. */
export function toastProblem(error: unknown): void {
  const { body, message } = Problem.of(error);
  update([...toasts, { id: nextId++, text: `${body.title}: ${message}`, bad: true }]);
}

/** Where toasts appear; one polite live region for the whole console. */
export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, bad }) => (
        <div key={id} className={bad ? 'toast toast-bad' : 'toast'}>
          <p>{text}</p>
          <Button tone="quiet" small icon aria-label="Dismiss" onPress={() => dismiss(id)}>
            <X aria-hidden />
          </Button>
        </div>
      ))}
    </div>
  );
}
