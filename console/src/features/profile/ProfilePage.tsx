import { useQuery } from '@tanstack/react-query';
import { meQuery, useHasLogins } from '~/api/query';
import { VerifyBanner } from '~/features/mail/VerifyBanner';
import { Page, Panel } from '~/ui/page';
import { Loaded } from '~/ui/states';
import { Time } from '~/ui/time';
import { useOwnLogins } from './api';
import { ChangeEmail } from './ChangeEmail';
import { ChangePassword } from './ChangePassword';
import { HandedOn } from './HandedOn';
import { LoginHistory } from './LoginHistory';
import { OwnData } from './OwnData';
import { OwnKeys } from './OwnKeys';
import { SecondFactors } from './SecondFactors';
import { Sessions } from './Sessions';
import { TrustedDevices } from './TrustedDevices';
import './profile.css';

/** One's own account. Where nobody logs in there are no passwords and no sessions to look after. */
export function ProfilePage() {
  const me = useQuery(meQuery);
  const hasLogins = useHasLogins();
  return (
    <Page
      title="Profile"
      description="Who you are here, where you are logged in, and what proves that it is you."
    >
      <VerifyBanner />
      <Loaded query={me} label="your profile" lines={4}>
        {({ user, roles, organization }) => (
          <div className="profile">
            <Panel title="You">
              <dl className="facts">
                <dt>Name</dt>
                <dd>{user.full_name}</dd>
                <dt>E-mail</dt>
                <dd>{user.email}</dd>
                <dt>User name</dt>
                <dd>{user.username}</dd>
                <dt>Roles</dt>
                <dd>
                  {roles.join(', ')} in {organization.name}
                </dd>
                <dt>Known here since</dt>
                <dd>
                  <Time iso={user.created_at} />
                </dd>
              </dl>
            </Panel>
            {hasLogins && <SecondFactors />}
            {hasLogins && <TrustedDevices />}
            {hasLogins && <Sessions />}
            <OwnKeys />
            {hasLogins && <HandedOn />}
            {hasLogins && <ChangePassword username={user.username} />}
            {hasLogins && <ChangeEmail />}
            {hasLogins && <OwnLogins />}
            {hasLogins && <OwnData />}
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function OwnLogins() {
  return (
    <Panel title="Login history" flush>
      <LoginHistory pages={useOwnLogins()} />
    </Panel>
  );
}
