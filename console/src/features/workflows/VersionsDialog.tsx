import { useMutation } from '@tanstack/react-query';
import { History } from 'lucide-react';
import { Problem } from '~/api/problem';
import type { Workflow } from '~/api/types';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Empty, ProblemNotice } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { fetchVersion, useVersions } from './api';

interface VersionsDialogProps {
  workflow: Workflow;
  isOpen: boolean;
  onClose: () => void;
  /** Gets the text of the version that should be edited on. */
  onRestore: (source: string) => void;
}

export function VersionsDialog(props: VersionsDialogProps) {
  return (
    <Dialog title={`Versions of ${props.workflow.name}`} isOpen={props.isOpen} onClose={props.onClose} wide>
      <Versions {...props} />
    </Dialog>
  );
}

function Versions({ workflow, onClose, onRestore }: VersionsDialogProps) {
  const pages = useVersions(workflow.id);
  const restore = useMutation({
    mutationFn: (version: number) => fetchVersion(workflow.id, version),
    onSuccess: ({ source }) => onRestore(source),
  });
  return (
    <>
      {restore.error && <ProblemNotice problem={Problem.of(restore.error)} />}
      <List
        label="versions"
        pages={pages}
        rowKey={(one) => String(one.version)}
        empty={<Empty icon={History} title="No versions" />}
        columns={[
          { header: 'Version', fit: true, cell: (one) => <strong>{one.version}</strong> },
          { header: 'What changed', cell: (one) => one.message ?? <span className="muted">No message</span> },
          { header: 'By', fit: true, wideOnly: true, cell: (one) => one.author?.name },
          { header: 'When', fit: true, cell: (one) => <Time iso={one.created_at} relative /> },
        ]}
        actions={(one) => (
          <Button
            small
            isDisabled={restore.isPending}
            onPress={() => restore.mutate(one.version)}
            aria-label={`Open version ${one.version} in the editor`}
          >
            Open
          </Button>
        )}
      />
      <p className="muted small">
        Opening puts a version’s text into the editor. Saving it makes a new version; none is ever changed.
      </p>
      <div className="form-actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </>
  );
}
