import { useRef } from 'react';
import { Editor, type EditorHandle } from '~/ui/editor';
import { FaultList } from './FaultList';
import type { useDefinition } from './use-definition';
import { WorkflowGraph } from './WorkflowGraph';
import './definition.css';

interface DefinitionEditorProps {
  source: string;
  onChange: (source: string) => void;
  readOnly: boolean;
  definition: ReturnType<typeof useDefinition>;
}

/** The graph beside its text, with the validator's findings under both. */
export function DefinitionEditor({ source, onChange, readOnly, definition }: DefinitionEditorProps) {
  const editor = useRef<EditorHandle>(null);
  const { model, faults, faulty, marks, checking, validation } = definition;
  const goToNode = (id: string) => {
    const keys = [`${id}:`, `"${id}":`, `'${id}':`];
    const line = source
      .split('\n')
      .findIndex((text) => /^\s/.test(text) && keys.some((key) => text.trimStart().startsWith(key)));
    if (line >= 0) editor.current?.goTo(line + 1, 1);
  };
  return (
    <div className="definition panel">
      <div className="definition-text">
        <Editor
          ref={editor}
          label="Definition (YAML)"
          language="yaml"
          value={source}
          onChange={onChange}
          readOnly={readOnly}
          marks={marks}
          fill
        />
      </div>
      <div className="definition-graph">
        <WorkflowGraph
          model={model}
          direction="TB"
          label="Graph of the definition"
          faulty={faulty}
          onSelect={goToNode}
        />
      </div>
      <div className="definition-faults">
        <FaultList
          faults={faults}
          checking={checking}
          error={validation.isError ? validation.error : undefined}
          onGoTo={(line, column) => editor.current?.goTo(line, column)}
        />
      </div>
    </div>
  );
}
