import { Check, Copy } from 'lucide-react';
import { useState } from 'react';
import { Button } from './button';

interface CopyButtonProps {
  text: string;
  label: string;
  /** Says in letters what it does: where copying is what the person is asked to do. */
  spelled?: boolean;
}

export function CopyButton({ text, label, spelled }: CopyButtonProps) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  if (spelled) {
    return (
      <Button onPress={copy}>
        {copied ? <Check aria-hidden /> : <Copy aria-hidden />} {copied ? 'Copied' : label}
      </Button>
    );
  }
  return (
    <Button tone="quiet" small icon aria-label={copied ? 'Copied' : label} onPress={copy}>
      {copied ? <Check aria-hidden /> : <Copy aria-hidden />}
    </Button>
  );
}

/** An identifier, in full, to copy. */
export function Id({ id }: { id: string }) {
  return (
    <span className="row">
      <code>{id}</code>
      <CopyButton text={id} label={`Copy ${id}`} />
    </span>
  );
}

/** A JSON value for reading. */
export function Json({ value, label }: { value: unknown; label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
    <section className="json" tabIndex={0} aria-label={label}>
      <pre>{JSON.stringify(value, null, 2)}</pre>
    </section>
  );
}
