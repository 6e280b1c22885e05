import { useMutation } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { Button } from '~/ui/button';
import { toastProblem } from '~/ui/toast';
import { saveValue, type ValueOf } from './api';

/** Larger values, in bytes of JSON, are kept but not sent with what they belong to. */
export const MOST_SHOWN = 64 * 1024;

/** Why a value is not on the page, and the way to it. */
export function TooLarge({ size, of }: { size: number; of: ValueOf }) {
  const mebibytes = size / 1_048_576;
  const told = mebibytes < 1 ? `${Math.round(size / 1024)} KiB` : `${mebibytes.toFixed(1)} MiB`;
  return (
    <div className="stack-tight">
      <p className="muted">{told} of JSON: kept and used, but too large to show here.</p>
      <DownloadButton of={of} />
    </div>
  );
}

/** Whether parts of what a step was given were left out for their size. */
export function isCut(input: unknown): boolean {
  return JSON.stringify(input)?.includes('{"not_shown":{"size":') ?? false;
}

/** Saves the whole value as a file. */
export function DownloadButton({ of }: { of: ValueOf }) {
  const save = useMutation({ mutationFn: () => saveValue(of), onError: toastProblem });
  return (
    <div>
      <Button small isPending={save.isPending} onPress={() => save.mutate()}>
        <Download aria-hidden /> Download {of.what}
      </Button>
    </div>
  );
}
