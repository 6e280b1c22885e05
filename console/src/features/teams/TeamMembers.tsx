import { Problem } from '~/api/problem';
import type { Team } from '~/api/types';
import { useMembers } from '~/features/members/api';
import { Button } from '~/ui/button';
import { Failed, Loaded, Loading, ProblemNotice } from '~/ui/states';
import { useChangeTeamMember, useTeamMembers } from './api';

interface TeamMembersProps {
  team: Team;
  mayWrite: boolean;
  onClose: () => void;
}

/** Who of the organisation is in a team. */
export function TeamMembers({ team, mayWrite, onClose }: TeamMembersProps) {
  const inside = useTeamMembers(team.id);
  return (
    <>
      <p className="muted small">
        Members see the workflows that the team owns, and can be asked for approval as the team.
      </p>
      <Loaded query={inside} label="the team’s members" lines={3}>
        {(items) =>
          mayWrite ? (
            <Everybody team={team} inside={new Set(items.map(({ id }) => id))} />
          ) : (
            <ul className="people">
              {items.map(({ id, full_name }) => (
                <li key={id}>{full_name}</li>
              ))}
              {items.length === 0 && <li className="muted">Nobody is in it yet.</li>}
            </ul>
          )
        }
      </Loaded>
      <div className="form-actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </>
  );
}

function Everybody({ team, inside }: { team: Team; inside: ReadonlySet<string> }) {
  const { query, items } = useMembers({});
  const change = useChangeTeamMember(team.id);
  if (items === undefined) {
    if (query.isError)
      return <Failed problem={Problem.of(query.error)} label="members" onRetry={() => query.refetch()} />;
    return <Loading label="members" lines={3} />;
  }
  return (
    <>
      {change.error && <ProblemNotice problem={change.error} />}
      <ul className="people">
        {items.map(({ id, full_name, email }) => {
          const isMember = inside.has(id);
          return (
            <li key={id}>
              <span>
                {full_name} <span className="muted small">{email}</span>
              </span>
              <Button
                small
                isPending={change.isPending && change.variables.user === id}
                aria-label={isMember ? `Remove ${full_name}` : `Add ${full_name}`}
                onPress={() => change.mutate({ user: id, isMember })}
              >
                {isMember ? 'Remove' : 'Add'}
              </Button>
            </li>
          );
        })}
      </ul>
      {query.hasNextPage && (
        <Button small isPending={query.isFetchingNextPage} onPress={() => query.fetchNextPage()}>
          Show more people
        </Button>
      )}
    </>
  );
}
