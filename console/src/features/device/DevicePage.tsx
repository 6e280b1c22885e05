import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { useMe } from '~/api/query';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { Page, Panel } from '~/ui/page';
import { ProblemNotice } from '~/ui/states';
import { Time } from '~/ui/time';
import { spelled, useDecideDevice, useDeviceLogin } from './api';

/** Where a person lets a program log in as them: they type its code, see what asks, and say yes or no. */
export function DevicePage() {
  const { code } = useSearch({ from: '/shell/device' });
  return (
    <Page title="Let a program log in">
      <DeviceLogin initial={code} />
    </Page>
  );
}

/** Apart from the address, whose code is only put into the field: nobody approves by following a link. */
export function DeviceLogin({ initial }: { initial?: string | undefined }) {
  const [typed, setTyped] = useState(spelled(initial ?? ''));
  const [code, setCode] = useState<string>();
  const waiting = useDeviceLogin(code);
  const decide = useDecideDevice();
  const me = useMe();

  if (decide.isSuccess) {
    const approved = decide.variables.decision === 'approve';
    return (
      <Panel title={approved ? 'It may log in' : 'It may not log in'}>
        <p role="status">
          {approved
            ? 'Go back to the program: it goes on within a few seconds. Its session is under Profile, where you can end it.'
            : 'The program was told so. If you did not start it yourself, somebody else tried to log in as you.'}
        </p>
      </Panel>
    );
  }
  if (code !== undefined && waiting.data) {
    const { client, address, user_agent, created_at } = waiting.data;
    return (
      <Panel title="This program wants to log in as you">
        <div className="stack">
          {decide.error && <ProblemNotice problem={decide.error} />}
          <dl className="facts">
            <dt>Program</dt>
            <dd>{client}</dd>
            <dt>Code</dt>
            <dd className="mono">{code}</dd>
            <dt>Address</dt>
            <dd className="mono">{address ?? 'unknown'}</dd>
            {user_agent && (
              <>
                <dt>Client</dt>
                <dd>{user_agent}</dd>
              </>
            )}
            <dt>Asked</dt>
            <dd>
              <Time iso={created_at} relative />
            </dd>
            {me && (
              <>
                <dt>As</dt>
                <dd>
                  {me.user.full_name} in {me.organization.name}
                </dd>
              </>
            )}
          </dl>
          <p>
            It will be able to do all that you may. Let it in only if you started it yourself just now, and it
            shows this code.
          </p>
          <div className="form-actions">
            <Button
              tone="danger"
              isPending={decide.isPending}
              onPress={() => decide.mutate({ code, decision: 'deny' })}
            >
              Deny
            </Button>
            <Button
              tone="primary"
              isPending={decide.isPending}
              onPress={() => decide.mutate({ code, decision: 'approve' })}
            >
              Let it in
            </Button>
          </div>
        </div>
      </Panel>
    );
  }
  return (
    <Panel title="Which program?">
      <Form
        problem={waiting.error}
        onSubmit={() => (typed === code ? void waiting.refetch() : setCode(typed))}
      >
        <TextField
          label="Code"
          value={typed}
          onChange={(value) => setTyped(spelled(value))}
          hint="The program shows it: eight letters."
          autoComplete="off"
          isRequired
        />
        <div className="form-actions">
          <Button type="submit" tone="primary" isPending={waiting.isFetching}>
            Go on
          </Button>
        </div>
      </Form>
    </Panel>
  );
}
