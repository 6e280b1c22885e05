import { type ReactNode, useEffect } from 'react';
import { Mark } from '~/app/Mark';
import './auth.css';

/** What surrounds the pages of a visitor. */
export function AuthFrame({
  title,
  lead,
  children,
  footer,
}: {
  title: string;
  lead: string;
  children: ReactNode;
  footer?: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Tenure`;
  }, [title]);
  return (
    <div className="auth">
      <header className="auth-brand">
        <Mark />
        <span className="brand-name">Tenure</span>
      </header>
      <main className="auth-card">
        <div className="stack-tight">
          <h1>{title}</h1>
          <p className="muted">{lead}</p>
        </div>
        {children}
        {footer && <p className="auth-footer small">{footer}</p>}
      </main>
      <p className="auth-motto muted small">Tenure, n.: the conditions under which something is held.</p>
    </div>
  );
}
