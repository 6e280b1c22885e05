// Not from the package's index: that also loads its test helpers, and with them AJV.
import withTheme from '@rjsf/core/lib/withTheme.js';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { Play } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { Workflow } from '~/api/types';
import { Button } from '~/ui/button';
import { Editor } from '~/ui/editor';
import { Page, Panel } from '~/ui/page';
import { Loaded, ProblemNotice } from '~/ui/states';
import { useStartExecution, workflowQuery } from '../api';
import { graphOf } from '../graph-model';
import { WorkflowGraph } from '../WorkflowGraph';
import { inputSchema } from './input-schema';
import { theme } from './theme';
import { validator } from './validator';
import './run-form.css';

const SchemaForm = withTheme(theme);
const FORM_ID = 'run-input';

export function RunPage() {
  const { workflowId } = useParams({ from: '/shell/workflows/$workflowId/run' });
  const query = useQuery(workflowQuery(workflowId));
  return (
    <Page
      title={query.data ? `Run ${query.data.name}` : 'Run'}
      back={
        <>
          <Link to="/workflows">Workflows</Link> /{' '}
          <Link to="/workflows/$workflowId" params={{ workflowId }}>
            {query.data?.name ?? 'Workflow'}
          </Link>
        </>
      }
      description={
        query.data && `Version ${query.data.version}, its newest. Give the input that it asks for.`
      }
    >
      <Loaded query={query} label="this workflow">
        {(workflow) => <RunForm workflow={workflow} />}
      </Loaded>
    </Page>
  );
}

function RunForm({ workflow }: { workflow: Workflow }) {
  const schema = useMemo(() => inputSchema(workflow), [workflow]);
  const drawable = schema?.type === 'object' && Object.keys(schema.properties ?? {}).length > 0;
  const [data, setData] = useState<unknown>({});
  const [json, setJson] = useState<string>();
  const [fault, setFault] = useState<string>();
  const start = useStartExecution(workflow.id);
  const navigate = useNavigate();
  const model = useMemo(() => graphOf(workflow.definition), [workflow.definition]);
  const asJson = json !== undefined || !drawable;
  const text = json ?? JSON.stringify(data, null, 2);

  const run = (input: unknown) =>
    start.mutate(input, {
      onSuccess: ({ id }) => void navigate({ to: '/executions/$executionId', params: { executionId: id } }),
    });
  const runJson = () => {
    try {
      const input: unknown = JSON.parse(text);
      setFault(undefined);
      run(input);
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
  };
  const toForm = () => {
    try {
      setData(JSON.parse(text));
      setFault(undefined);
      setJson(undefined);
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
  };

  return (
    <div className="run-layout">
      <Panel
        title="Input"
        actions={
          drawable && (
            <Button tone="quiet" small onPress={() => (asJson ? toForm() : setJson(text))}>
              {asJson ? 'Edit as form' : 'Edit as JSON'}
            </Button>
          )
        }
      >
        <div className="stack">
          {start.error && <ProblemNotice problem={start.error} />}
          {asJson ? (
            <>
              {!schema && (
                <p className="muted">This workflow declares no input schema: any JSON value will do.</p>
              )}
              <Editor label="Input (JSON)" language="json" value={text} onChange={setJson} />
              {fault && (
                <p className="field-error" role="alert">
                  Not JSON: {fault}
                </p>
              )}
            </>
          ) : (
            <SchemaForm
              id={FORM_ID}
              idPrefix="input"
              schema={schema}
              uiSchema={{ 'ui:submitButtonOptions': { norender: true } }}
              validator={validator}
              formData={data}
              onChange={(event) => setData(event.formData)}
              onSubmit={(event) => run(event.formData)}
              // The faults stand at their fields; by default they also go to the console.
              onError={() => {}}
              noHtml5Validate
              focusOnFirstError
              showErrorList={false}
            />
          )}
          <div className="form-actions">
            <Button
              tone="primary"
              isPending={start.isPending}
              {...(asJson ? { onPress: runJson } : { type: 'submit' as const, form: FORM_ID })}
            >
              <Play aria-hidden /> Run
            </Button>
          </div>
        </div>
      </Panel>
      <Panel title="What will run" flush>
        <div className="run-graph">
          <WorkflowGraph model={model} direction="TB" label="Graph of the workflow" />
        </div>
      </Panel>
    </div>
  );
}
