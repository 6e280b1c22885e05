import { Download } from 'lucide-react';
import { saveFile } from '~/lib/save';
import { Button } from '~/ui/button';
import { Notice } from '~/ui/states';
import { CopyButton } from '~/ui/value';

/** Codes that each work once, this once: whoever closes this does not see them again. */
export function RecoveryCodes({ codes, onDone }: { codes: readonly string[]; onDone: () => void }) {
  const text = `${codes.join('\n')}\n`;
  const save = () =>
    saveFile(new Blob([text], { type: 'text/plain' }), new Response(), 'tenure-recovery-codes.txt');
  return (
    <>
      <Notice tone="warn" title="Keep these recovery codes now">
        <p>Each opens your account once when you have lost your app or passkey. They are not shown again.</p>
      </Notice>
      <ul className="recovery-codes" aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <div className="form-actions">
        <CopyButton text={text} label="Copy" spelled />
        <Button onPress={save}>
          <Download aria-hidden /> Download
        </Button>
        <Button tone="primary" onPress={onDone}>
          I have kept them
        </Button>
      </div>
    </>
  );
}
