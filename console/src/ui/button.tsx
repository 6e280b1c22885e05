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

export function Button({ tone, small, icon, children, ...props }: ButtonProps) {
  return (
    <AriaButton {...props} className={classes({ tone, small, icon })}>
      {props.isPending && <LoaderCircle className="spin" aria-hidden />}
      {!(props.isPending && icon) && children}
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
