import { Fingerprint } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import type { Problem } from '~/api/problem';
import type { Factor } from '~/api/step-up';
import { canUsePasskeys } from '~/lib/passkeys';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';

/** What was typed: one of the three. */
export type Typed = { code: string } | { recovery_code: string } | { password: string };

interface Props {
  factors: readonly Factor[];
  /** The verb on the button. */
  action: string;
  isPending: boolean;
  problem: Problem | null;
  onTyped: (typed: Typed) => void;
  onPasskey: () => void;
  /** Beside the buttons: the way out. */
  dismiss?: ReactNode;
  children?: ReactNode;
}

type Kind = 'code' | 'recovery_code' | 'password';
const LABEL = {
  code: 'Code of your authenticator app',
  recovery_code: 'Recovery code',
  password: 'Password',
} as const;

/** Asks for a factor that the person has, the usual one first. */
export function SecondFactor({
  factors,
  action,
  isPending,
  problem,
  onTyped,
  onPasskey,
  dismiss,
  children,
}: Props) {
  const kinds: Kind[] = [
    ...(factors.includes('password') ? (['password'] as const) : []),
    ...(factors.includes('totp') ? (['code'] as const) : []),
    ...(factors.includes('recovery_code') ? (['recovery_code'] as const) : []),
  ];
  const hasPasskey = factors.includes('passkey') && canUsePasskeys();
  // A recovery code is for when there is nothing else.
  const onlyPasskey = hasPasskey && kinds[0] === 'recovery_code';
  const [kind, setKind] = useState<Kind | undefined>(onlyPasskey ? undefined : kinds[0]);
  const [text, setText] = useState('');
  const others = kinds.filter((one) => one !== kind);
  const choose = (next: Kind) => {
    setText('');
    setKind(next);
  };
  return (
    <Form
      problem={problem}
      fields={['code', 'recovery_code', 'password']}
      onSubmit={() => kind && onTyped({ [kind]: text.trim() } as Typed)}
    >
      {kind && (
        <TextField
          key={kind}
          label={LABEL[kind]}
          type={kind === 'password' ? 'password' : 'text'}
          value={text}
          onChange={setText}
          error={problem?.field(kind)}
          autoComplete={kind === 'password' ? 'current-password' : 'one-time-code'}
          inputMode={kind === 'code' ? 'numeric' : undefined}
          autoCapitalize="none"
          isRequired
          autoFocus
        />
      )}
      {children}
      <div className="form-actions">
        {dismiss}
        {kind && (
          <Button type="submit" tone="primary" isPending={isPending}>
            {action}
          </Button>
        )}
      </div>
      {(hasPasskey || others.length > 0) && (
        <div className="stack-tight">
          {hasPasskey && (
            <Button tone={kind ? 'plain' : 'primary'} onPress={onPasskey} isPending={isPending && !kind}>
              <Fingerprint aria-hidden /> Use a passkey
            </Button>
          )}
          {others.map((other) => (
            <Button key={other} tone="quiet" small onPress={() => choose(other)}>
              {other === 'recovery_code'
                ? 'Use a recovery code instead'
                : `Use ${LABEL[other].toLowerCase()} instead`}
            </Button>
          ))}
        </div>
      )}
    </Form>
  );
}
