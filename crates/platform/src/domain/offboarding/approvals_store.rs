//! The SQL on open requests for approval that name somebody who leaves.

use tenure_kernel::{ApprovalId, Result, TeamId, TenantTx, UserId, Write};
use uuid::Uuid;

use super::model::LeftBecause;

/// What became of open requests for approval that named who leaves.
pub(super) struct Approvals {
    /// Who takes over is named instead.
    pub(super) handed_over: Vec<ApprovalId>,
    /// They stand as they were: who takes over could not, or must not, decide these.
    pub(super) left: Vec<LeftBecause>,
}

/// Names who takes over where open requests for approval name who leaves, by whichever of their names. What who leaves has
/// decided themselves stands, and needs nobody in their place. `never` is why who takes over may decide none.
pub(super) async fn hand_over(
    tx: &mut TenantTx<Write>,
    from: UserId,
    to: UserId,
    never: Option<LeftBecause>,
) -> Result<Approvals> {
    let mut done = Approvals { handed_over: Vec::new(), left: Vec::new() };
    for open in open(tx, from, to).await? {
        let because = match never.or(open.because()) {
            None if open.at_least > 1 && possible(tx, &open, from, to).await? < open.at_least => {
                Some(LeftBecause::TooFew)
            }
            because => because,
        };
        match because {
            Some(because) => done.left.push(because),
            None => done.handed_over.push(open.id),
        }
    }
    let ids: Vec<Uuid> = done.handed_over.iter().map(|id| id.uuid()).collect();
    rename(tx, &ids, from, to).await?;
    Ok(done)
}

/// A request for approval that is open and names who leaves.
struct Open {
    id: ApprovalId,
    /// Private to a team that who takes over is not in.
    out_of_reach: bool,
    /// One of the two asked for it, or answers for what did, and the requester may not decide.
    own: bool,
    /// Who takes over has decided.
    decided: bool,
    at_least: i64,
    /// The words that name users and teams, in lower case.
    users: Vec<String>,
    teams: Vec<String>,
}

impl Open {
    /// Why who takes over may not decide this one.
    const fn because(&self) -> Option<LeftBecause> {
        match (self.out_of_reach, self.own, self.decided) {
            (true, _, _) => Some(LeftBecause::OutOfReach),
            (_, true, _) => Some(LeftBecause::Requester),
            (_, _, true) => Some(LeftBecause::Decided),
            _ => None,
        }
    }
}

/// Locked, in the order in which the engine locks those that end.
async fn open(tx: &mut TenantTx<Write>, from: UserId, to: UserId) -> Result<Vec<Open>> {
    // Who takes over answers for the keys of who leaves from now on, so what those asked for counts as theirs, too.
    let open = sqlx::query_as!(
        Open,
        r#"select a.id as "id: ApprovalId",
                  not in_reach(w.team_id, array(select t.team_id from team_members t where t.tenant_id = $1 and t.user_id = $3))
                      as "out_of_reach!",
                  (a.approvers ->> 'not_requester')::boolean and coalesce(a.answerable, a.requested_by) in ($2, $3) as "own!",
                  exists (select from approval_decisions d
                          where d.tenant_id = $1 and d.approval_id = a.id and d.user_id = $3) as "decided!",
                  (a.approvers ->> 'at_least')::bigint as "at_least!",
                  array(select lower(word) from jsonb_array_elements_text(a.approvers -> 'users') as word) as "users!",
                  array(select lower(word) from jsonb_array_elements_text(a.approvers -> 'teams') as word) as "teams!"
           from approvals a
               join workflows w on w.tenant_id = a.tenant_id and w.id = a.workflow_id
               join memberships m on m.tenant_id = a.tenant_id and m.user_id = $2
           where a.tenant_id = $1 and a.state = 'pending' and (a.expires_at is null or a.expires_at > $4)
             and exists (
                 select from jsonb_array_elements_text(a.approvers -> 'users') as person
                 where lower(person) in (lower(m.username), lower(m.email), $5))
             and not exists (
                 select from approval_decisions d where d.tenant_id = $1 and d.approval_id = a.id and d.user_id = $2)
           order by a.id for update of a"#,
        tx.tenant().uuid(),
        from.uuid(),
        to.uuid(),
        tx.now(),
        from.to_string()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(open)
}

/// How many people may have approved in the end with `to` in the place of `from`: those who have, and active members who are
/// named and see it; at most as many as it takes.
async fn possible(tx: &mut TenantTx<Write>, open: &Open, from: UserId, to: UserId) -> Result<i64> {
    let people: Vec<Uuid> = open.users.iter().filter_map(|word| word.parse().ok().map(UserId::uuid)).collect();
    let teams: Vec<Uuid> = open.teams.iter().filter_map(|word| word.parse().ok().map(TeamId::uuid)).collect();
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from (
               select from approvals a
                   join workflows w on w.tenant_id = a.tenant_id and w.id = a.workflow_id
                   join memberships p on p.tenant_id = a.tenant_id
               where a.tenant_id = $1 and a.id = $2 and (
                   exists (select from approval_decisions d where d.tenant_id = $1 and d.approval_id = $2 and d.user_id = p.user_id)
                   or p.status = 'active' and p.user_id <> $3
                       and not ((a.approvers ->> 'not_requester')::boolean and coalesce(a.answerable, a.requested_by) = p.user_id)
                       and in_reach(w.team_id, array(
                           select t.team_id from team_members t where t.tenant_id = $1 and t.user_id = p.user_id))
                       and (p.user_id = $4 or p.user_id = any($5) or lower(p.username) = any($6) or lower(p.email) = any($6)
                           or exists (select from jsonb_array_elements_text(a.approvers -> 'roles') as role where role = any(p.roles))
                           or exists (select from team_members m join teams t on t.tenant_id = m.tenant_id and t.id = m.team_id
                                      where m.tenant_id = $1 and m.user_id = p.user_id
                                        and (t.id = any($7) or lower(t.name) = any($8)))))
               limit $9) possible"#,
        tx.tenant().uuid(),
        open.id.uuid(),
        from.uuid(),
        to.uuid(),
        &people,
        &open.users,
        &teams,
        &open.teams,
        open.at_least
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(count)
}

/// Names `to` instead of `from`; once, also where both were named.
async fn rename(tx: &mut TenantTx<Write>, approvals: &[Uuid], from: UserId, to: UserId) -> Result<()> {
    sqlx::query!(
        r#"update approvals a set approvers = jsonb_set(a.approvers, '{users}', (
               select jsonb_agg(distinct case when lower(person) = any(n.names) then $4 else person end)
               from jsonb_array_elements_text(a.approvers -> 'users') as person))
           from (select array_agg(lower(username)) || array_agg(lower(email)) || array[$4::text, $5] as names
                 from memberships where tenant_id = $1 and user_id in ($3, $6)) n
           where a.tenant_id = $1 and a.id = any($2)"#,
        tx.tenant().uuid(),
        approvals,
        from.uuid(),
        to.to_string(),
        from.to_string(),
        to.uuid()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}
