import { Link } from '@tanstack/react-router';
import { Puzzle, Upload } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Plugin } from '~/api/types';
import { Button } from '~/ui/button';
import { Page } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { usePlugins } from './api';
import { UploadDialog } from './UploadDialog';
import './plugins.css';

const TONE = { draft: 'idle', active: 'ok', deprecated: 'warn' } as const;

export function PluginStatusBadge({ status }: { status: Plugin['status'] }) {
  return <span className={`badge tone-${TONE[status]}`}>{status}</span>;
}

export function PluginsPage() {
  const pages = usePlugins();
  const mayUpload = useMay('plugin:create');
  const [uploading, setUploading] = useState(false);
  const upload = (
    <Button tone="primary" isDisabled={!mayUpload} onPress={() => setUploading(true)}>
      <Upload aria-hidden /> Upload plugin
    </Button>
  );
  return (
    <Page
      title="Plugins"
      description="Your own code, run in a sandbox that can do what it was granted and nothing else."
      actions={upload}
    >
      <List
        label="plugins"
        pages={pages}
        rowKey={(plugin) => plugin.id}
        empty={
          <Empty icon={Puzzle} title="No plugins yet" action={upload}>
            A plugin is a manifest and a Python file with <code>execute(state, config)</code>; workflows use
            it as a node.
          </Empty>
        }
        columns={[
          {
            header: 'Plugin',
            cell: (plugin) => (
              <>
                <Link to="/plugins/$pluginId" params={{ pluginId: plugin.id }} className="row-link">
                  {plugin.name}
                </Link>
                {plugin.description && <div className="cell-note">{plugin.description}</div>}
              </>
            ),
          },
          { header: 'Version', fit: true, wideOnly: true, cell: (plugin) => <code>{plugin.version}</code> },
          { header: 'Status', fit: true, cell: (plugin) => <PluginStatusBadge status={plugin.status} /> },
          {
            header: 'Changed',
            fit: true,
            wideOnly: true,
            cell: (plugin) => <Time iso={plugin.updated_at} relative />,
          },
        ]}
      />
      <UploadDialog isOpen={uploading} onClose={() => setUploading(false)} />
    </Page>
  );
}
