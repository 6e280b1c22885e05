import { type ReactNode, useEffect, useRef } from 'react';

interface PageProps {
  title: string;
  /** What stands before the title: the way back. */
  back?: ReactNode;
  /** Beside the title: a state. */
  badge?: ReactNode;
  description?: ReactNode;
  actions?: ReactNode;
  wide?: boolean;
  children: ReactNode;
}

let first = true;

/** Names the document and moves focus to the heading after a navigation, so that a screen reader hears it. */
function useArrival(title: string) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Tenure`;
  }, [title]);
  useEffect(() => {
    // Not on the first load: the browser's own order starts at the skip link.
    if (!first) heading.current?.focus({ preventScroll: true });
    first = false;
  }, []);
  return heading;
}

export function Page({ title, back, badge, description, actions, wide, children }: PageProps) {
  const heading = useArrival(title);
  return (
    <div className={wide ? 'page page-wide' : 'page'}>
      <header className="page-header">
        <div className="page-heading">
          {back && (
            <nav className="breadcrumb" aria-label="Breadcrumb">
              {back}
            </nav>
          )}
          <div className="row">
            <h1 ref={heading} tabIndex={-1}>
              {title}
            </h1>
            {badge}
          </div>
          {description && <p>{description}</p>}
        </div>
        {actions && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export function Panel({
  title,
  actions,
  children,
  flush,
  id,
}: {
  title: string;
  actions?: ReactNode;
  children: ReactNode;
  flush?: boolean;
  id?: string;
}) {
  return (
    <section className="panel" aria-label={title} id={id}>
      <div className="panel-header">
        <h2>{title}</h2>
        {actions}
      </div>
      {flush ? children : <div className="panel-body">{children}</div>}
    </section>
  );
}
