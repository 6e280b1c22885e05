import { Link } from '@tanstack/react-router';
import { Play, Plus, Workflow as WorkflowIcon } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import { ButtonLink } from '~/ui/button';
import { Page } from '~/ui/page';
import { SearchField } from '~/ui/search-field';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { useWorkflows } from './api';

export function WorkflowsPage() {
  const [search, setSearch] = useState('');
  const pages = useWorkflows(search.trim());
  const mayCreate = useMay('workflow:create');
  const mayRun = useMay('workflow:execute');
  const create = mayCreate && (
    <ButtonLink to="/workflows/new" tone="primary">
      <Plus aria-hidden /> New workflow
    </ButtonLink>
  );
  return (
    <Page
      title="Workflows"
      description="Definitions that run durably: each step is journaled, each version kept."
      actions={create}
    >
      <div className="filters">
        <SearchField label="Search by name" value={search} onChange={setSearch} />
      </div>
      <List
        label="workflows"
        pages={pages}
        rowKey={(workflow) => workflow.id}
        empty={
          search ? (
            <Empty icon={WorkflowIcon} title={`No workflow is called “${search}”`}>
              The search looks in names only.
            </Empty>
          ) : (
            <Empty icon={WorkflowIcon} title="No workflows yet" action={create}>
              A workflow is a YAML file: nodes that call plugins, HTTP services and people, and edges between
              them.
            </Empty>
          )
        }
        columns={[
          {
            header: 'Workflow',
            cell: (workflow) => (
              <>
                <Link to="/workflows/$workflowId" params={{ workflowId: workflow.id }} className="row-link">
                  {workflow.name}
                </Link>
                {workflow.description && <div className="cell-note">{workflow.description}</div>}
              </>
            ),
          },
          { header: 'Version', end: true, fit: true, wideOnly: true, cell: (workflow) => workflow.version },
          { header: 'Nodes', end: true, fit: true, wideOnly: true, cell: (workflow) => workflow.node_count },
          {
            header: 'Changed',
            fit: true,
            wideOnly: true,
            cell: (workflow) => <Time iso={workflow.updated_at} relative />,
          },
        ]}
        actions={(workflow) =>
          mayRun && (
            <span className="above-row-link">
              <ButtonLink
                small
                to="/workflows/$workflowId/run"
                params={{ workflowId: workflow.id }}
                aria-label={`Run ${workflow.name}`}
              >
                <Play aria-hidden /> Run
              </ButtonLink>
            </span>
          )
        }
      />
    </Page>
  );
}
