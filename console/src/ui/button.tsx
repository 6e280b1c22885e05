import { createLink } from '@tanstack/react-router';
import { LoaderCircle } from 'lucide-react';
import type { AnchorHTMLAttributes, ReactNode, Ref } from 'react';
import { Button as AriaButton, type ButtonProps as AriaButtonProps } from 'react-aria-components';

type Look = { tone?: 'plain' | 'primary' | 'danger' | 'quiet'; small?: boolean; icon?: boolean };

export interface ButtonProps extends Omit<AriaButtonProps, 'className' | 'children' | 'style'>, Look {
  children: ReactNode;
}

function classes({ tone = 'plain', small, icon }: Look): string {
  return [`button button-${tone}`, small && 'button-small', icon && 'button-icon'].filter(Boolean).join(' ');
}

/**
 * While pending it keeps its focus and does nothing. React-aria's own `isPending` is not passed on: it leaves an
 * announcement behind that is labelled by this button, which has no name once its dialog has closed.
 */
export function Button({ tone, small, icon, children, isPending, ...props }: ButtonProps) {
  const idle = isPending ? { type: 'button' as const, onPress: undefined } : {};
  return (
    <AriaButton {...props} {...idle} className={classes({ tone, small, icon })}>
      {isPending && <LoaderCircle className="spin" role="img" aria-label="Working" />}
      {!(isPending && icon) && children}
    </AriaButton>
  );
}

interface AnchorProps extends AnchorHTMLAttributes<HTMLAnchorElement>, Look {
  ref?: Ref<HTMLAnchorElement>;
}

/** A router link that looks like a button. */
export const ButtonLink = createLink(({ tone, small, icon, children, ...props }: AnchorProps) => (
  <a {...props} className={classes({ tone, small, icon })}>
    {children}
  </a>
));
