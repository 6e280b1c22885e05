import { type ErrorComponentProps, useRouter } from '@tanstack/react-router';
import { Compass } from 'lucide-react';
import { Problem } from '~/api/problem';
import { ButtonLink } from '~/ui/button';
import { Empty, Failed, Loading } from '~/ui/states';

export function Starting() {
  return (
    <div className="page">
      <Loading label="page" />
    </div>
  );
}

export function NotFound() {
  return (
    <main className="page">
      <h1 className="visually-hidden">Page not found</h1>
      <Empty icon={Compass} title="No page at this address" action={<ButtonLink to="/">Go home</ButtonLink>}>
        The link may be old, or mistyped.
      </Empty>
    </main>
  );
}

export function Crashed({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <main className="page">
      <h1 className="visually-hidden">This page failed</h1>
      <Failed problem={Problem.of(error)} label="this page" onRetry={retry} />
    </main>
  );
}
