import { FileUp } from 'lucide-react';
import { useState } from 'react';
import { DropZone, FileTrigger, isFileDropItem, Text } from 'react-aria-components';
import { Problem } from '~/api/problem';
import type { Schemas, UserImport, UserImportLine } from '~/api/types';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Select } from '~/ui/form';
import { Loaded, Notice, ProblemNotice } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import {
  isMoving,
  type Kind,
  saveReport,
  useChangeImport,
  useImport,
  useImportLines,
  useImports,
  useStartImport,
} from './api';
import { type CsvFile, readCsv } from './csv-file';
import { useKinds, WORDS } from './kinds';
import './imports.css';

/** From a file over its dry run to the import, and back. `first` is the kind that it opens with. */
export function ImportDialog({ first, onClose }: { first: Kind; onClose: () => void }) {
  const [kind, setKind] = useState(first);
  const [file, setFile] = useState<CsvFile>();
  const [id, setId] = useState<string>();
  const start = useStartImport(kind);
  const begin = (csv: string, dry_run: boolean) =>
    start.mutate({ csv, dry_run }, { onSuccess: (made) => setId(made.id) });
  return (
    <Dialog title={WORDS[kind].title} isOpen wide onClose={onClose}>
      {id === undefined ? (
        <>
          <Choose
            kind={kind}
            file={file}
            problem={start.error}
            isPending={start.isPending}
            onFile={(next) => {
              start.reset();
              setFile(next);
            }}
            onKind={(next) => {
              start.reset();
              setFile(undefined);
              setKind(next);
            }}
            onTry={(csv) => begin(csv, true)}
            onClose={onClose}
          />
          <Earlier kind={kind} onOpen={setId} />
        </>
      ) : (
        <>
          {start.error && <ProblemNotice problem={start.error} />}
          <Progress
            key={id}
            kind={kind}
            id={id}
            isPending={start.isPending}
            onAnother={() => {
              setFile(undefined);
              setId(undefined);
            }}
            onRun={file?.csv === undefined ? undefined : () => begin(file.csv, false)}
            onClose={onClose}
          />
        </>
      )}
    </Dialog>
  );
}

interface ChooseProps {
  kind: Kind;
  file: CsvFile | undefined;
  problem: Problem | null;
  isPending: boolean;
  onFile: (file: CsvFile) => void;
  onKind: (kind: Kind) => void;
  onTry: (csv: string) => void;
  onClose: () => void;
}

function Choose({ kind, file, problem, isPending, onFile, onKind, onTry, onClose }: ChooseProps) {
  const kinds = useKinds();
  const take = async (chosen: File | undefined) => {
    if (chosen) onFile(await readCsv(chosen));
  };
  return (
    <div className="stack">
      {kinds.length > 1 && (
        <Select
          label="What the file holds"
          value={kind}
          options={kinds.map((value) => ({ value, label: WORDS[value].things }))}
          onChange={onKind}
        />
      )}
      <p>
        The first line names the columns: {WORDS[kind].columns}. At most 10,000 lines in UTF-8. Nothing
        happens before you have seen what would.
      </p>
      <DropZone
        className="drop-zone"
        getDropOperation={() => 'copy'}
        onDrop={async ({ items }) => {
          const [dropped] = items.filter(isFileDropItem);
          await take(await dropped?.getFile());
        }}
      >
        <FileUp aria-hidden />
        <Text slot="label">{file ? file.name : 'Drop a CSV file here'}</Text>
        <FileTrigger acceptedFileTypes={['.csv', 'text/csv']} onSelect={(list) => void take(list?.[0])}>
          <Button small>Choose a file</Button>
        </FileTrigger>
      </DropZone>
      {file?.fault && <Notice tone="bad" title={file.fault} />}
      {problem && <ProblemNotice problem={problem} />}
      <div className="form-actions">
        <Button onPress={onClose}>Cancel</Button>
        <Button
          tone="primary"
          isDisabled={file?.csv === undefined}
          isPending={isPending}
          onPress={() => file?.csv !== undefined && onTry(file.csv)}
        >
          Say what would happen
        </Button>
      </div>
    </div>
  );
}

/** Imports of before: a report is kept for 90 days, and so long what was added can be taken back. */
function Earlier({ kind, onOpen }: { kind: Kind; onOpen: (id: string) => void }) {
  const pages = useImports(kind);
  if (!pages.items?.length) return null;
  return (
    <section className="stack" aria-label="Earlier imports">
      <h3>Earlier imports</h3>
      <List
        label="earlier imports"
        pages={pages}
        rowKey={({ id }) => id}
        empty={null}
        columns={[
          { header: 'When', fit: true, cell: ({ created_at }) => <Time iso={created_at} relative /> },
          {
            header: 'What came of it',
            cell: (it) => (isMoving(it) ? `${it.state}: ${it.done} of ${it.total} lines` : summary(it)),
          },
          {
            header: 'Open',
            hideHeader: true,
            end: true,
            fit: true,
            cell: ({ id }) => (
              <Button small onPress={() => onOpen(id)}>
                Open
              </Button>
            ),
          },
        ]}
      />
    </section>
  );
}

interface ProgressProps {
  kind: Kind;
  id: string;
  isPending: boolean;
  /** Carries out what this dry run tried; absent where its file is not at hand. */
  onRun: (() => void) | undefined;
  onAnother: () => void;
  onClose: () => void;
}

function Progress({ kind, id, isPending, onRun, onAnother, onClose }: ProgressProps) {
  const change = useChangeImport(kind, id);
  const [problem, setProblem] = useState<Problem>();
  const save = () => saveReport(kind, id).catch((error) => setProblem(Problem.of(error)));
  return (
    <Loaded query={useImport(kind, id)} label="the import" lines={3}>
      {(it) => (
        <div className="stack">
          <Bar kind={kind} import={it} />
          {!isMoving(it) && <Verdict kind={kind} import={it} />}
          {(change.error ?? problem) && <ProblemNotice problem={(change.error ?? problem) as Problem} />}
          <div className="form-actions">
            {isMoving(it) ? (
              <Button isPending={change.isPending} onPress={() => change.mutate('cancel')}>
                Stop
              </Button>
            ) : (
              <>
                <Button tone="quiet" onPress={save}>
                  Save the report
                </Button>
                <Button onPress={onAnother}>Another file</Button>
                {!it.dry_run && it.state !== 'undone' && it.added > 0 && (
                  <Button tone="danger" isPending={change.isPending} onPress={() => change.mutate('undo')}>
                    Undo the import
                  </Button>
                )}
                {it.dry_run && onRun && it.added > 0 && (
                  <Button tone="primary" isPending={isPending} onPress={onRun}>
                    Add {it.added} {WORDS[kind].things}
                  </Button>
                )}
                <Button onPress={onClose}>Close</Button>
              </>
            )}
          </div>
        </div>
      )}
    </Loaded>
  );
}

function Bar({ kind, import: it }: { kind: Kind; import: UserImport }) {
  const undoing = it.state === 'undoing' || it.state === 'undone';
  const [done, total] = undoing ? [it.undone + it.kept, it.added] : [it.done, it.total];
  const what = it.dry_run ? 'Tried' : undoing ? 'Removed again' : 'Done';
  return (
    <div>
      <progress
        className="progress"
        value={done}
        max={Math.max(total, 1)}
        aria-label="Progress of the import"
      />
      <p className="muted small" role="status">
        {what}: {done} of {total} {undoing ? WORDS[kind].things : 'lines'}
      </p>
    </div>
  );
}

function summary(it: UserImport): string {
  if (it.state === 'undone') return `${it.undone} removed again, ${it.kept} stayed`;
  return `${it.added} ${it.dry_run ? 'would be added' : 'added'}, ${it.refused} refused`;
}

/** What came of it, and the lines that need somebody. */
function Verdict({ kind, import: it }: { kind: Kind; import: UserImport }) {
  const state: Schemas['LineState'] = it.state === 'undone' ? 'kept' : 'refused';
  const wanted = it.state === 'undone' ? it.kept : it.refused;
  const lines = useImportLines(kind, it.id, state, wanted > 0);
  return (
    <>
      <Notice tone={wanted > 0 || it.stopped_because ? 'warn' : 'ok'} title={summary(it)}>
        {it.stopped_because && <p>It stopped: {it.stopped_because}.</p>}
        {!it.dry_run && it.state !== 'undone' && it.added > 0 && <p>{WORDS[kind].added}</p>}
      </Notice>
      {wanted > 0 && (
        <List
          label={state === 'kept' ? `${WORDS[kind].things} that stayed` : 'refused lines'}
          pages={lines}
          rowKey={({ line }) => String(line)}
          empty={null}
          columns={[
            { header: 'Line', fit: true, end: true, cell: ({ line }) => line },
            { header: WORDS[kind].head, cell: (line) => <Name line={line} /> },
            { header: 'Why', cell: ({ errors }) => <Why errors={errors} /> },
          ]}
        />
      )}
    </>
  );
}

function Name({ line }: { line: UserImportLine }) {
  return (
    <>
      {line.name || line.username || <span className="muted">no name</span>}
      <div className="cell-note">{line.email}</div>
    </>
  );
}

function Why({ errors }: { errors: Schemas['UserImportError'][] }) {
  return errors.map(({ column, detail }) => (
    <div key={`${column} ${detail}`}>
      {column && <code>{column}</code>} {detail}
    </div>
  ));
}
