import { FlaskConical } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Plugin, PluginTestResult } from '~/api/types';
import { Failure } from '~/features/executions/StepPanel';
import { Button } from '~/ui/button';
import { Editor } from '~/ui/editor';
import { Panel } from '~/ui/page';
import { ProblemNotice } from '~/ui/states';
import { Json } from '~/ui/value';
import { useTestPlugin } from './api';

const STATE = `{
  "input": {},
  "state": {},
  "execution": { "id": "exe_test", "attempt": 1 }
}`;

/** Calls the plugin in the sandbox, with the limits that a workflow would give it. */
export function TestBench({ plugin }: { plugin: Plugin }) {
  const test = useTestPlugin(plugin.id, plugin.version);
  const mayTest = useMay('plugin:update');
  const [state, setState] = useState(STATE);
  const [config, setConfig] = useState('{}');
  const [fault, setFault] = useState<string>();
  const run = () => {
    try {
      const body = { state: JSON.parse(state) as unknown, config: JSON.parse(config) as unknown };
      setFault(undefined);
      test.mutate(body);
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Panel
      title="Test bench"
      actions={
        <Button small tone="primary" isDisabled={!mayTest} isPending={test.isPending} onPress={run}>
          <FlaskConical aria-hidden /> Run test
        </Button>
      }
    >
      <div className="bench">
        <div className="stack">
          <div className="field">
            <span className="field-label">state</span>
            <Editor label="state (JSON)" language="json" value={state} onChange={setState} />
          </div>
          <div className="field">
            <span className="field-label">config</span>
            <Editor label="config (JSON)" language="json" value={config} onChange={setConfig} />
          </div>
          {fault && (
            <p className="field-error" role="alert">
              Not JSON: {fault}
            </p>
          )}
        </div>
        <div className="stack" aria-live="polite">
          {test.error && <ProblemNotice problem={test.error} />}
          {test.data ? (
            <Result result={test.data} />
          ) : (
            !test.error && (
              <p className="muted">The output, logs and cost of the call appear here. Nothing is stored.</p>
            )
          )}
        </div>
      </div>
    </Panel>
  );
}

function Result({ result }: { result: PluginTestResult }) {
  const { output, error, logs, duration_ms, peak_memory_bytes, fuel } = result;
  return (
    <>
      {error ? (
        <>
          <Failure error={error} />
          {error.traceback.length > 0 && <pre className="bench-log">{error.traceback.join('\n')}</pre>}
        </>
      ) : (
        <div className="field">
          <span className="field-label">Output</span>
          <Json value={output} label="Output" />
        </div>
      )}
      {logs.length > 0 && (
        <div className="field">
          <span className="field-label">Log</span>
          <ol className="bench-log">
            {logs.map(({ level, message }, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the lines never change
              <li key={index}>
                <span className="muted">{level}</span> {message}
              </li>
            ))}
          </ol>
        </div>
      )}
      <dl className="facts">
        <dt>Took</dt>
        <dd className="numeric">{duration_ms.toFixed(1)} ms</dd>
        {peak_memory_bytes !== null && (
          <>
            <dt>Peak memory</dt>
            <dd className="numeric">{(peak_memory_bytes / 1_048_576).toFixed(1)} MiB</dd>
          </>
        )}
        {fuel !== null && (
          <>
            <dt>Fuel</dt>
            <dd className="numeric">{fuel.toLocaleString()}</dd>
          </>
        )}
      </dl>
    </>
  );
}
