import { Fingerprint, Smartphone } from 'lucide-react';
import { useState } from 'react';
import type { Schemas } from '~/api/types';
import { canUsePasskeys } from '~/lib/passkeys';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { Panel } from '~/ui/page';
import { Loaded, Notice } from '~/ui/states';
import { Time } from '~/ui/time';
import {
  useAddPasskey,
  useBeginApp,
  useConfirmApp,
  useMfa,
  useNewCodes,
  usePasskeys,
  useRefreshMe,
  useRemoveApp,
  useRemovePasskey,
} from './mfa';
import { RecoveryCodes } from './RecoveryCodes';

type Passkey = Schemas['Passkey'];
type Open =
  | { kind: 'app' | 'passkey' | 'remove-app' | 'new-codes' }
  | { kind: 'remove-passkey'; passkey: Passkey }
  | { kind: 'codes'; codes: readonly string[] }
  | undefined;

/** What the person has beside the password. `onDone` is called when one was added and its codes were kept. */
export function SecondFactors({ onDone }: { onDone?: () => void }) {
  const mfa = useMfa();
  const passkeys = usePasskeys();
  const refreshMe = useRefreshMe();
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const kept = () => {
    close();
    void (onDone ?? refreshMe)();
  };
  const added = ({ recovery_codes }: Schemas['FactorAdded']) => {
    if (recovery_codes) setOpen({ kind: 'codes', codes: recovery_codes });
    else kept();
  };
  return (
    <Panel title="Second factors">
      <Loaded query={mfa} label="your second factors" lines={3}>
        {(status) => (
          <div className="stack">
            {/* Where it is asked for before anything else, the page says so. */}
            {!status.enabled && !onDone && (
              <Notice tone={status.required ? 'warn' : 'info'} title="Your password stands alone">
                <p>
                  {status.required
                    ? 'Your organisation asks for a second factor. Set one up to go on.'
                    : 'With a second factor, who learns your password still does not get in.'}
                </p>
              </Notice>
            )}
            <dl className="facts">
              <dt>Authenticator app</dt>
              <dd className="row">
                {status.totp_since ? (
                  <>
                    <span>
                      set up <Time iso={status.totp_since} relative />
                    </span>
                    <Button small tone="danger" onPress={() => setOpen({ kind: 'remove-app' })}>
                      Remove the app
                    </Button>
                  </>
                ) : (
                  <Button small onPress={() => setOpen({ kind: 'app' })}>
                    <Smartphone aria-hidden /> Set up an app
                  </Button>
                )}
              </dd>
              <dt>Passkeys</dt>
              <dd className="stack-tight">
                {passkeys.items?.map((passkey) => (
                  <span key={passkey.id} className="row">
                    <span>
                      <strong>{passkey.name}</strong>, since <Time iso={passkey.created_at} relative />
                    </span>
                    <Button
                      small
                      tone="danger"
                      aria-label={`Remove the passkey ${passkey.name}`}
                      onPress={() => setOpen({ kind: 'remove-passkey', passkey })}
                    >
                      Remove
                    </Button>
                  </span>
                ))}
                {status.passkeys_possible && canUsePasskeys() ? (
                  <span>
                    <Button small onPress={() => setOpen({ kind: 'passkey' })}>
                      <Fingerprint aria-hidden /> Add a passkey
                    </Button>
                  </span>
                ) : (
                  <span className="muted small">
                    Passkeys belong to a domain; at this address there are none.
                  </span>
                )}
              </dd>
              {status.enabled && (
                <>
                  <dt>Recovery codes</dt>
                  <dd className="row">
                    <span>{status.recovery_codes} left</span>
                    <Button small onPress={() => setOpen({ kind: 'new-codes' })}>
                      Get new codes
                    </Button>
                  </dd>
                </>
              )}
            </dl>
          </div>
        )}
      </Loaded>
      {open?.kind === 'app' && (
        <Dialog title="Set up an authenticator app" isOpen onClose={close}>
          <KeysThatStop mfa={mfa.data} />
          <SetUpApp onAdded={added} onCancel={close} />
        </Dialog>
      )}
      {open?.kind === 'passkey' && (
        <Dialog title="Add a passkey" isOpen onClose={close}>
          <KeysThatStop mfa={mfa.data} />
          <AddPasskey onAdded={added} onCancel={close} />
        </Dialog>
      )}
      {open?.kind === 'codes' && (
        <Dialog title="Recovery codes" isOpen onClose={kept} firm>
          <RecoveryCodes codes={open.codes} onDone={kept} />
        </Dialog>
      )}
      {open?.kind === 'new-codes' && (
        <NewCodes onMade={(codes) => setOpen({ kind: 'codes', codes })} onClose={close} />
      )}
      {open?.kind === 'remove-app' && <RemoveApp onDone={close} />}
      {open?.kind === 'remove-passkey' && <RemovePasskey passkey={open.passkey} onDone={close} />}
    </Panel>
  );
}

/** The first factor is asked for on every way in, also on that of a key which the password alone has made. */
function KeysThatStop({ mfa }: { mfa: Schemas['MfaStatus'] | undefined }) {
  if (!mfa || mfa.enabled || mfa.api_keys_made_without === 0) return null;
  const one = mfa.api_keys_made_without === 1;
  return (
    <Notice tone="warn" title={one ? 'An API key of yours will stop' : 'API keys of yours will stop'}>
      <p>
        {one ? 'One was' : `${mfa.api_keys_made_without} were`} made by a login without a second factor.{' '}
        {one ? 'It is' : 'They are'} refused from then on, until you rotate {one ? 'it' : 'them'} or make
        another.
      </p>
    </Notice>
  );
}

interface Adding {
  onAdded: (added: Schemas['FactorAdded']) => void;
  onCancel: () => void;
}

function SetUpApp({ onAdded, onCancel }: Adding) {
  const begin = useBeginApp();
  const confirm = useConfirmApp();
  const [code, setCode] = useState('');
  if (!begin.data) {
    return (
      <Form problem={begin.error} onSubmit={() => begin.mutate()}>
        <p>Any app that shows codes of six digits does: on your telephone, or in a password manager.</p>
        <FormActions isPending={begin.isPending} onCancel={onCancel}>
          Show the picture to scan
        </FormActions>
      </Form>
    );
  }
  const { qr_svg, secret } = begin.data;
  return (
    <Form
      problem={confirm.error}
      fields={['code']}
      onSubmit={() => confirm.mutate(code.trim(), { onSuccess: onAdded })}
    >
      <p>Scan this with the app, then type the code that it shows.</p>
      <img className="qr" alt="What the app scans" src={`data:image/svg+xml,${encodeURIComponent(qr_svg)}`} />
      <details>
        <summary>Without a camera</summary>
        <p className="small">
          Type this into the app: <code className="break">{secret}</code>
        </p>
      </details>
      <TextField
        label="Code"
        value={code}
        onChange={setCode}
        error={confirm.error?.field('code')}
        inputMode="numeric"
        autoComplete="one-time-code"
        isRequired
      />
      <FormActions isPending={confirm.isPending} onCancel={onCancel}>
        Confirm
      </FormActions>
    </Form>
  );
}

function AddPasskey({ onAdded, onCancel }: Adding) {
  const add = useAddPasskey();
  const [name, setName] = useState('');
  return (
    <Form
      problem={add.error}
      fields={['name']}
      onSubmit={() => add.mutate(name.trim(), { onSuccess: onAdded })}
    >
      <p>
        Your browser asks for your finger, face or PIN. A passkey opens your account by itself, without the
        password.
      </p>
      <TextField
        label="Name of the passkey"
        value={name}
        onChange={setName}
        error={add.error?.field('name')}
        hint="Such as the device that it is on."
        maxLength={100}
        isRequired
      />
      <FormActions isPending={add.isPending} onCancel={onCancel}>
        Add passkey
      </FormActions>
    </Form>
  );
}

function NewCodes({ onMade, onClose }: { onMade: (codes: readonly string[]) => void; onClose: () => void }) {
  const make = useNewCodes();
  return (
    <Confirm
      title="Get new recovery codes?"
      action="Get new codes"
      change={make}
      onConfirm={() => make.mutate(undefined, { onSuccess: ({ recovery_codes }) => onMade(recovery_codes) })}
      onClose={onClose}
    >
      <p>The codes that you have work no more.</p>
    </Confirm>
  );
}

function RemoveApp({ onDone }: { onDone: () => void }) {
  const remove = useRemoveApp();
  return (
    <Confirm
      title="Remove the authenticator app?"
      action="Remove app"
      change={remove}
      onConfirm={() => remove.mutate(undefined, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>Its codes work no more, and devices that you trusted are forgotten.</p>
    </Confirm>
  );
}

function RemovePasskey({ passkey, onDone }: { passkey: Passkey; onDone: () => void }) {
  const remove = useRemovePasskey();
  return (
    <Confirm
      title={`Remove the passkey ${passkey.name}?`}
      action="Remove passkey"
      change={remove}
      onConfirm={() => remove.mutate(passkey.id, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>It opens your account no more, and devices that you trusted are forgotten.</p>
    </Confirm>
  );
}
