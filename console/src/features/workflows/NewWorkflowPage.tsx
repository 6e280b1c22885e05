import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { EVERYBODY, TeamChoice, teamOf } from '~/features/teams/TeamChoice';
import { Button } from '~/ui/button';
import { Page } from '~/ui/page';
import { ProblemNotice } from '~/ui/states';
import { useSaveDefinition } from './api';
import { DefinitionEditor } from './DefinitionEditor';
import { useDefinition } from './use-definition';

/** A definition that runs as it stands. */
const STARTER = `name: my-first-workflow
description: Adds up the numbers that it is given
input:
  type: object
  required: [numbers]
  properties:
    numbers: { type: array, items: { type: number }, default: [1, 2, 3] }
nodes:
  total: { type: transform, jq: "{ total: (.input.numbers | add) }" }
edges:
  - { from: start, to: total }
  - { from: total, to: end }
`;

export function NewWorkflowPage() {
  const [source, setSource] = useState(STARTER);
  const [choice, setChoice] = useState(EVERYBODY);
  const team = teamOf(choice) ?? undefined;
  const definition = useDefinition(source, { team });
  const save = useSaveDefinition(undefined);
  const navigate = useNavigate();
  const create = () =>
    save.mutate(
      { source, ...(team && { team }) },
      { onSuccess: ({ id }) => void navigate({ to: '/workflows/$workflowId', params: { workflowId: id } }) },
    );
  return (
    <Page
      wide
      title="New workflow"
      back={<Link to="/workflows">Workflows</Link>}
      description="Write the definition; the graph and the problems follow as you type."
      actions={
        <Button
          tone="primary"
          isPending={save.isPending}
          isDisabled={definition.validation.data?.valid === false}
          onPress={create}
        >
          Create workflow
        </Button>
      }
    >
      {save.error && <ProblemNotice problem={save.error} />}
      <div className="filters">
        <TeamChoice value={choice} onChange={setChoice} />
      </div>
      <DefinitionEditor source={source} onChange={setSource} readOnly={false} definition={definition} />
    </Page>
  );
}
