/** Passkeys between the server's JSON and the browser (WebAuthn Level 3, section 5.1.8 and 5.1.9). */
import { Problem } from '~/api/problem';

/** What the API's types call an object whose members they do not know. */
type Answered = Record<string, never>;

/** Whether this browser, at this address, can have any: they belong to a domain. */
export function canUsePasskeys(host = location.hostname): boolean {
  const isAddress = /^[\d.]+$/.test(host) || host.includes(':');
  return (
    !isAddress &&
    typeof PublicKeyCredential !== 'undefined' &&
    'parseRequestOptionsFromJSON' in PublicKeyCredential
  );
}

/** Asks the person for one of their passkeys. */
export async function askPasskey(options: unknown): Promise<Answered> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    options as PublicKeyCredentialRequestOptionsJSON,
  );
  return json(await navigator.credentials.get({ publicKey }).catch(refused));
}

/** Has the browser make one. */
export async function makePasskey(options: unknown): Promise<Answered> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    options as PublicKeyCredentialCreationOptionsJSON,
  );
  return json(await navigator.credentials.create({ publicKey }).catch(refused));
}

function json(credential: Credential | null): Answered {
  if (!(credential instanceof PublicKeyCredential)) throw refused(undefined);
  return credential.toJSON() as Answered;
}

/** The browser does not say why; mostly the person changed their mind. */
function refused(error: unknown): never {
  const known = error instanceof DOMException && error.name === 'InvalidStateError';
  throw new Problem({
    type: 'about:blank',
    code: 'passkey',
    title: known ? 'This device has a passkey of yours already' : 'No passkey was used',
    status: -1,
    detail: known
      ? 'Use another device, or remove the passkey that it has.'
      : 'It was cancelled, took too long, or this device has none. Try again.',
  });
}
