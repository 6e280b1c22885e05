import { Button } from '~/ui/button';
import { Notice } from '~/ui/states';
import { CopyButton } from '~/ui/value';

/** A new key, this once: whoever closes this does not see it again. */
export function Issued({ text, onDone }: { text: string; onDone: () => void }) {
  return (
    <>
      <Notice tone="warn" title="Copy the key now">
        <p>It is stored nowhere and is not shown again.</p>
      </Notice>
      <p>
        <code className="break" data-testid="api-key">
          {text}
        </code>
      </p>
      <div className="form-actions">
        <CopyButton text={text} label="Copy the key" spelled />
        <Button tone="primary" onPress={onDone}>
          I have copied it
        </Button>
      </div>
    </>
  );
}
