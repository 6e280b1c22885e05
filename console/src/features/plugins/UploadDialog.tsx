import { Link } from '@tanstack/react-router';
import { CircleCheck, CircleX, FileUp, SkipForward } from 'lucide-react';
import { useState } from 'react';
import { DropZone, FileTrigger, isFileDropItem, Text } from 'react-aria-components';
import type { Problem } from '~/api/problem';
import type { Schemas, UploadStage } from '~/api/types';
import { EVERYBODY, TeamChoice, teamOf } from '~/features/teams/TeamChoice';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Notice, ProblemNotice } from '~/ui/states';
import { useUploadPlugin } from './api';

export function UploadDialog({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  return (
    <Dialog title="Upload a plugin" isOpen={isOpen} onClose={onClose}>
      <Upload onClose={onClose} />
    </Dialog>
  );
}

function isManifest(file: File): boolean {
  return /\.ya?ml$/.test(file.name);
}

function Upload({ onClose }: { onClose: () => void }) {
  const upload = useUploadPlugin();
  const [files, setFiles] = useState<{ manifest?: File; source?: File }>({});
  const [team, setTeam] = useState(EVERYBODY);
  const { manifest, source } = files;
  const take = (chosen: Iterable<File>) => {
    const next = { ...files };
    for (const file of chosen) next[isManifest(file) ? 'manifest' : 'source'] = file;
    setFiles(next);
    upload.reset();
  };
  if (upload.data) return <Report report={upload.data} onClose={onClose} />;
  return (
    <div className="stack">
      <DropZone
        className="drop-zone"
        getDropOperation={() => 'copy'}
        onDrop={async ({ items }) =>
          take(await Promise.all(items.filter(isFileDropItem).map((item) => item.getFile())))
        }
      >
        <FileUp aria-hidden />
        <Text slot="label">Drop plugin.yaml and its source here</Text>
        <FileTrigger
          allowsMultiple
          acceptedFileTypes={['.yaml', '.yml', '.py']}
          onSelect={(list) => list && take(list)}
        >
          <Button small>Choose files</Button>
        </FileTrigger>
      </DropZone>
      <dl className="facts">
        <dt>Manifest</dt>
        <dd>{manifest ? manifest.name : <span className="muted">plugin.yaml is missing</span>}</dd>
        <dt>Source</dt>
        <dd>
          {source ? (
            `${source.name}, ${source.size.toLocaleString()} bytes`
          ) : (
            <span className="muted">the .py file is missing</span>
          )}
        </dd>
      </dl>
      <TeamChoice value={team} onChange={setTeam} error={upload.error?.field('team_id')} />
      {upload.error && <Refusal problem={upload.error} />}
      <div className="form-actions">
        <Button onPress={onClose}>Cancel</Button>
        <Button
          tone="primary"
          isDisabled={!manifest || !source}
          isPending={upload.isPending}
          onPress={() => manifest && source && upload.mutate({ manifest, source, team_id: teamOf(team) })}
        >
          Upload
        </Button>
      </div>
    </div>
  );
}

const OUTCOME = {
  passed: { icon: CircleCheck, tone: 'ok' },
  failed: { icon: CircleX, tone: 'bad' },
  skipped: { icon: SkipForward, tone: 'idle' },
} as const;

function Stage({ stage, outcome, detail, line }: UploadStage) {
  const { icon: Glyph, tone } = OUTCOME[outcome];
  return (
    <li className="stage">
      <Glyph className={`icon stage-${tone}`} aria-label={outcome} />
      <span>{stage.replace('-', ' ')}</span>
      <span className="muted">
        {line != null && `line ${line}: `}
        {detail}
      </span>
    </li>
  );
}

/** Why it was refused, stage by stage where it came that far. */
function Refusal({ problem }: { problem: Problem }) {
  const { stages } = problem.body;
  if (!stages) return <ProblemNotice problem={problem} />;
  return (
    <Notice tone="bad" title="The plugin was refused, and nothing is stored">
      <ul className="stack-tight">
        {stages.map((stage) => (
          <Stage key={stage.stage} {...stage} />
        ))}
      </ul>
    </Notice>
  );
}

function Report({ report, onClose }: { report: Schemas['PluginUpload']; onClose: () => void }) {
  const { version, stages } = report;
  return (
    <div className="stack">
      <p>
        <strong>{version.name}</strong> {version.version} is stored as <strong>{version.status}</strong>
        {version.status === 'draft' && '; activate it when you have tested it'}.
      </p>
      <ul className="stack-tight">
        {stages.map((stage) => (
          <Stage key={stage.stage} {...stage} />
        ))}
      </ul>
      <div className="form-actions">
        <Button onPress={onClose}>Close</Button>
        <Link
          className="button button-primary"
          to="/plugins/$pluginId"
          params={{ pluginId: version.plugin_id }}
        >
          Open and test
        </Link>
      </div>
    </div>
  );
}
