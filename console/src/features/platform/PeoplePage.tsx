import { useNavigate, useSearch } from '@tanstack/react-router';
import { Pause, Play, UserRoundSearch } from 'lucide-react';
import { useState } from 'react';
import { useMe } from '~/api/query';
import { Button } from '~/ui/button';
import { Checkbox } from '~/ui/form';
import { Page } from '~/ui/page';
import { SearchField } from '~/ui/search-field';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { DecideAbout } from './DecideAbout';
import { StatusBadge } from './OrganizationsPage';
import { canLook, MIN_SEARCH, type PeopleFilter, type PlatformPerson, usePeople } from './people';

/** People of every organisation, found by name, for who administers the platform: there is no list of everybody. */
export function PeoplePage() {
  const filter = useSearch({ from: '/shell/platform/people' });
  const navigate = useNavigate({ from: '/platform/people' });
  const set = (change: PeopleFilter) =>
    void navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  return (
    <Page
      title="People"
      description="Whoever has a login here, in whichever organisations. Suspend one where all of them are concerned; an organisation locks its own members itself."
    >
      <div className="filters">
        <SearchField
          label="Search by user name or e-mail"
          value={filter.search ?? ''}
          onChange={(search) => set({ search: search || undefined })}
          maxLength={254}
        />
        <Checkbox
          isSelected={filter.suspended === true}
          onChange={(only) => set({ suspended: only || undefined })}
        >
          Only who is suspended
        </Checkbox>
      </div>
      {canLook(filter) ? (
        <Found filter={filter} />
      ) : (
        <Empty icon={UserRoundSearch} title="Whom do you look for?">
          Type at least {MIN_SEARCH} characters of a user name or e-mail address.
        </Empty>
      )}
    </Page>
  );
}

function Found({ filter }: { filter: PeopleFilter }) {
  const pages = usePeople(filter);
  const me = useMe();
  const [deciding, setDeciding] = useState<PlatformPerson>();
  return (
    <>
      <List
        label="people"
        pages={pages}
        rowKey={({ id }) => id}
        empty={
          <Empty icon={UserRoundSearch} title={filter.search ? 'Nobody matches' : 'Nobody is suspended'}>
            {filter.search ? 'Look for another part of the name or address.' : 'Look for somebody by name.'}
          </Empty>
        }
        columns={[
          {
            header: 'Person',
            cell: ({ id, username, email }) => (
              <>
                <strong>{username}</strong>
                {id === me?.user.id && <span className="muted"> (you)</span>}
                <div className="cell-note">{email}</div>
              </>
            ),
          },
          { header: 'Status', fit: true, cell: ({ status }) => <StatusBadge status={status} /> },
          {
            header: 'Second factor',
            fit: true,
            wideOnly: true,
            cell: ({ mfa }) =>
              mfa ? <span className="badge tone-ok">set up</span> : <span className="muted">none</span>,
          },
          {
            header: 'Organisations',
            end: true,
            fit: true,
            wideOnly: true,
            cell: ({ organizations }) => organizations,
          },
        ]}
        actions={(person) =>
          person.id !== me?.user.id && (
            <Button
              small
              aria-label={`${person.status === 'active' ? 'Suspend' : 'Resume'} ${person.username}`}
              onPress={() => setDeciding(person)}
            >
              {person.status === 'active' ? <Pause aria-hidden /> : <Play aria-hidden />}
              {person.status === 'active' ? 'Suspend' : 'Resume'}
            </Button>
          )
        }
      />
      {deciding && <DecideAbout person={deciding} onClose={() => setDeciding(undefined)} />}
    </>
  );
}
