import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Inbox } from 'lucide-react';
import { Page, Panel } from '~/ui/page';
import { Empty, Loaded } from '~/ui/states';
import { Time } from '~/ui/time';
import { outboxQuery } from './api';
import './mail.css';

/** What would have been sent by mail. Only a development instance has one, and only for the machine that it runs on. */
export function OutboxPage() {
  return (
    <main className="outbox">
      <Page
        title="Outbox"
        description="This development instance has no mail server: what it would have sent stands here until it has run out."
        back={<Link to="/">Back</Link>}
      >
        <Loaded query={useQuery(outboxQuery)} label="the outbox">
          {({ items }) =>
            items.length === 0 ? (
              <Empty icon={Inbox} title="Nothing was sent yet">
                Register, invite somebody, or forget your password.
              </Empty>
            ) : (
              items.map((message) => (
                <Panel key={message.id} title={message.subject}>
                  <div className="stack-tight">
                    <p className="muted small">
                      To {message.to}, <Time iso={message.created_at} relative />
                    </p>
                    <p className="outbox-text">
                      <WithLinks text={message.text} />
                    </p>
                  </div>
                </Panel>
              ))
            )
          }
        </Loaded>
      </Page>
    </main>
  );
}

/** Links to this console are links; what else a name in a message looks like is text. */
export function WithLinks({ text }: { text: string }) {
  return text.split(/(https?:\/\/\S+#token=\S+)/).map((part) =>
    part.startsWith(`${location.origin}/`) ? (
      <a key={part} href={part}>
        {part}
      </a>
    ) : (
      part
    ),
  );
}
