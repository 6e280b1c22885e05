//! SQL on `approvals` and `approval_decisions` for people; the engine's is in `engine.rs`.

use std::collections::HashMap;

use tenure_kernel::permission::{ApprovalDecide, Permission as _};
use tenure_kernel::{
    ApprovalId, Code, Error, ExecutionId, Load, Mode, Page, PageQuery, Permitted, Problem, Result, TeamId, TenantTx,
    Timestamp, UserId, WorkflowId, Write,
};
use uuid::Uuid;

use super::model::{Approval, ApprovalState, Approvers, Comment, Decision, Named, StoredApprovers, Verdict, hex};
use super::rules::{Caller, Refusal, Standing, refusal};
use crate::domain::executions::{PersonRef, RequestedBy, WorkflowRef};

/// Which approvals a list shows.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) id: Option<ApprovalId>,
    pub(super) state: Option<ApprovalState>,
    pub(super) execution: Option<ExecutionId>,
    /// Those that the caller may decide now.
    pub(super) mine: bool,
}

struct Row {
    id: ApprovalId,
    workflow_id: WorkflowId,
    workflow_name: String,
    execution_id: ExecutionId,
    step: String,
    state: String,
    shown: String,
    shown_digest: Vec<u8>,
    approvers: serde_json::Value,
    requested_by: Uuid,
    requested_by_kind: String,
    /// Whom it must not ask where the requester may not decide: the requester, or who answers for it.
    answerable: UserId,
    requester: Option<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    decided_at: Option<Timestamp>,
}

/// Approvals ask people, and are shown to those who may be asked.
fn for_people() -> Problem {
    Problem::new(Code::PermissionDenied, "approvals are for people; a service account neither sees nor decides them")
}

/// The caller as a possible approver.
async fn caller<M: Mode>(tx: &mut TenantTx<M>) -> Result<Caller> {
    let id = tx.cx().actor().user().ok_or_else(for_people)?;
    let permitted = tx.cx().identity.permissions.contains(ApprovalDecide::NEEDS);
    let member = sqlx::query!(
        "select username, email, roles from memberships where tenant_id = $1 and user_id = $2",
        tx.tenant().uuid(),
        id.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    let teams = sqlx::query!(
        r#"select t.id as "id: TeamId", t.name from team_members m join teams t on t.tenant_id = m.tenant_id and t.id = m.team_id
           where m.tenant_id = $1 and m.user_id = $2"#,
        tx.tenant().uuid(),
        id.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let teams = teams.into_iter().map(|team| (team.id, team.name)).collect();
    Ok(Caller { id, username: member.username, email: member.email, roles: member.roles, teams, permitted })
}

/// The approvals that the actor may see: of executions that they may see.
async fn select<M: Mode>(
    tx: &mut TenantTx<M>,
    filter: &Filter,
    after: Option<(Timestamp, ApprovalId)>,
    rows: i64,
) -> Result<Vec<Approval>> {
    let caller = caller(tx).await?;
    let teams = tx.own_teams();
    let (at, id) = after.unzip();
    // A caller without the permission may decide none.
    let roles = if caller.permitted { caller.roles.clone() } else { Vec::new() };
    let rows = sqlx::query_as!(
        Row,
        r#"select a.id as "id: ApprovalId", a.workflow_id as "workflow_id: WorkflowId", w.name as workflow_name,
                  a.execution_id as "execution_id: ExecutionId", a.step, a.state, a.shown, a.shown_digest, a.approvers,
                  a.requested_by, a.requested_by_kind, coalesce(a.answerable, a.requested_by) as "answerable!: UserId",
                  coalesce(m.full_name, s.name) as requester, a.created_at, a.expires_at, a.decided_at
           from approvals a
           join workflows w on w.tenant_id = a.tenant_id and w.id = a.workflow_id
           left join memberships m on m.tenant_id = a.tenant_id and m.user_id = a.requested_by
           left join service_accounts s on s.tenant_id = a.tenant_id and s.id = a.requested_by
           where a.tenant_id = $1 and in_reach(w.team_id, $2)
             and ($3::uuid is null or a.id = $3)
             and ($4::text is null or a.state = $4)
             and ($5::uuid is null or a.execution_id = $5)
             and ($6::timestamptz is null or (a.created_at, a.id) < ($6, $7::uuid))
             and (not $8 or (
                 $9 and a.state = 'pending' and (a.expires_at is null or a.expires_at > $10)
                 and not ((a.approvers ->> 'not_requester')::boolean and coalesce(a.answerable, a.requested_by) = $11)
                 and not exists (select from approval_decisions d where d.tenant_id = a.tenant_id and d.approval_id = a.id and d.user_id = $11)
                 and (exists (select from jsonb_array_elements_text(a.approvers -> 'roles') as role where role = any($12))
                   or exists (select from jsonb_array_elements_text(a.approvers -> 'teams') as team where lower(team) = any($13))
                   or exists (select from jsonb_array_elements_text(a.approvers -> 'users') as person where lower(person) = any($14)))))
           order by a.created_at desc, a.id desc limit $15"#,
        tx.tenant().uuid(),
        &teams,
        filter.id.map(ApprovalId::uuid),
        filter.state.map(ApprovalState::as_str),
        filter.execution.map(ExecutionId::uuid),
        at as Option<Timestamp>,
        id.map(ApprovalId::uuid),
        filter.mine,
        caller.permitted,
        tx.now(),
        caller.id.uuid(),
        &roles,
        &caller.team_names(),
        &caller.names(),
        rows
    )
    .fetch_all(&mut *tx)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
    let mut decisions = decisions(tx, &ids).await?;
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        let approvers: StoredApprovers = serde_json::from_value(row.approvers.clone())?;
        stored.push((row, approvers));
    }
    let directory = Directory::of(tx, stored.iter().map(|(_, approvers)| approvers)).await?;
    let now = tx.now();
    let approval = |(row, approvers): (Row, StoredApprovers)| {
        let decisions = decisions.remove(&row.id).unwrap_or_default();
        whole(row, approvers, decisions, &directory, &caller, now)
    };
    stored.into_iter().map(approval).collect()
}

fn whole(
    row: Row,
    approvers: StoredApprovers,
    decisions: Vec<Decision>,
    directory: &Directory,
    caller: &Caller,
    now: Timestamp,
) -> Result<Approval> {
    let state = ApprovalState::parse(&row.state).ok_or_else(|| Error::internal("unknown state of an approval"))?;
    let standing = Standing {
        state,
        expires_at: row.expires_at,
        requested_by: row.answerable,
        approvers: &approvers,
        decisions: &decisions,
    };
    let refusal = refusal(standing, caller, now);
    let title = row.step.split(['#', '[']).next().unwrap_or_default().to_owned();
    Ok(Approval {
        id: row.id,
        workflow: WorkflowRef { id: row.workflow_id, name: row.workflow_name },
        execution_id: row.execution_id,
        step: row.step,
        state,
        title,
        shown: serde_json::from_str(&row.shown)?,
        shown_digest: hex(&row.shown_digest),
        not_requester: approvers.not_requester,
        approvers: directory.named(approvers),
        requested_by: RequestedBy::stored(&row.requested_by_kind, row.requested_by, None).named(row.requester),
        created_at: row.created_at,
        expires_at: row.expires_at,
        decided_at: row.decided_at,
        decisions,
        can_decide: refusal.is_none(),
        refusal: refusal.map(|refusal| refusal.words().to_owned()),
    })
}

async fn decisions<M: Mode>(tx: &mut TenantTx<M>, approvals: &[Uuid]) -> Result<HashMap<ApprovalId, Vec<Decision>>> {
    let rows = sqlx::query!(
        r#"select d.approval_id as "approval: ApprovalId", d.user_id as "user: UserId", m.full_name as "name?", d.decision, d.comment,
                  d.decided_at
           from approval_decisions d left join memberships m on m.tenant_id = d.tenant_id and m.user_id = d.user_id
           where d.tenant_id = $1 and d.approval_id = any($2) order by d.decided_at, d.user_id"#,
        tx.tenant().uuid(),
        approvals
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut decisions = HashMap::<ApprovalId, Vec<Decision>>::new();
    for row in rows {
        let decision = if row.decision == "approve" { Verdict::Approve } else { Verdict::Reject };
        decisions.entry(row.approval).or_default().push(Decision {
            decision,
            by: PersonRef::new(row.user, row.name),
            at: row.decided_at,
            comment: row.comment,
        });
    }
    Ok(decisions)
}

/// Whom the words of definitions mean, by word in lower case.
struct Directory {
    teams: HashMap<String, Named>,
    users: HashMap<String, Named>,
}

impl Directory {
    async fn of<'a, M: Mode>(
        tx: &mut TenantTx<M>,
        approvers: impl Iterator<Item = &'a StoredApprovers> + Clone,
    ) -> Result<Self> {
        let lower = |words: &'a [String]| words.iter().map(|word| word.to_lowercase());
        let teams: Vec<String> = approvers.clone().flat_map(|approvers| lower(&approvers.teams)).collect();
        let users: Vec<String> = approvers.flat_map(|approvers| lower(&approvers.users)).collect();
        let mut directory = Self { teams: HashMap::new(), users: HashMap::new() };
        if !teams.is_empty() {
            let ids: Vec<Uuid> = teams.iter().filter_map(|word| word.parse().ok().map(TeamId::uuid)).collect();
            let found = sqlx::query!(
                r#"select id as "id: TeamId", name from teams where tenant_id = $1 and (lower(name) = any($2) or id = any($3))"#,
                tx.tenant().uuid(),
                &teams,
                &ids
            )
            .fetch_all(&mut *tx)
            .await?;
            for team in found {
                let named = Named { id: team.id.to_string(), name: team.name.clone() };
                directory.teams.insert(team.id.to_string(), named.clone());
                directory.teams.insert(team.name.to_lowercase(), named);
            }
        }
        if !users.is_empty() {
            let ids: Vec<Uuid> = users.iter().filter_map(|word| word.parse().ok().map(UserId::uuid)).collect();
            let found = sqlx::query!(
                r#"select user_id as "id: UserId", username, email, full_name from memberships
                   where tenant_id = $1 and (lower(username) = any($2) or lower(email) = any($2) or user_id = any($3))"#,
                tx.tenant().uuid(),
                &users,
                &ids
            )
            .fetch_all(&mut *tx)
            .await?;
            for person in found {
                let named = Named { id: person.id.to_string(), name: person.full_name };
                for word in [person.id.to_string(), person.username.to_lowercase(), person.email.to_lowercase()] {
                    directory.users.insert(word, named.clone());
                }
            }
        }
        Ok(directory)
    }

    fn named(&self, approvers: StoredApprovers) -> Approvers {
        let names = |words: Vec<String>, known: &HashMap<String, Named>| {
            let named = |word: String| {
                known.get(&word.to_lowercase()).cloned().unwrap_or_else(|| Named { id: word.clone(), name: word })
            };
            words.into_iter().map(named).collect()
        };
        Approvers {
            roles: approvers.roles,
            teams: names(approvers.teams, &self.teams),
            users: names(approvers.users, &self.users),
            at_least: approvers.at_least,
        }
    }
}

impl Load for Approval {
    type Id = ApprovalId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: ApprovalId, lock: bool) -> Result<Option<Self>> {
        if lock {
            let tenant = tx.tenant().uuid();
            sqlx::query!(
                "select 1 as one from approvals where tenant_id = $1 and id = $2 for update",
                tenant,
                id.uuid()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        let filter = Filter { id: Some(id), ..Filter::default() };
        Ok(select(tx, &filter, None, 1).await?.into_iter().next())
    }
}

pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>, filter: &Filter, page: &PageQuery) -> Result<Page<Approval>> {
    let found = select(tx, filter, page.after()?, page.rows()?).await?;
    page.page(found, |last| (last.created_at, last.id))
}

/// Why the caller may not decide on what is locked here.
pub(super) async fn refused(tx: &mut TenantTx<Write>, approval: &Permitted<Approval>) -> Result<Option<Refusal>> {
    let stored = sqlx::query!(
        r#"select approvers, coalesce(answerable, requested_by) as "answerable!: UserId" from approvals where tenant_id = $1 and id = $2"#,
        tx.tenant().uuid(),
        approval.id.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    let approvers: StoredApprovers = serde_json::from_value(stored.approvers)?;
    let (caller, now) = (caller(tx).await?, tx.now());
    let standing = Standing {
        state: approval.state,
        expires_at: approval.expires_at,
        requested_by: stored.answerable,
        approvers: &approvers,
        decisions: &approval.decisions,
    };
    Ok(refusal(standing, &caller, now))
}

/// Writes the caller's decision, and what becomes of the approval with it.
pub(super) async fn decide(
    tx: &mut TenantTx<Write>,
    approval: Permitted<Approval>,
    verdict: Verdict,
    comment: &Comment,
) -> Result<Approval> {
    let user = tx.cx().actor().user().ok_or_else(for_people)?;
    let now = tx.now();
    sqlx::query!(
        "insert into approval_decisions (tenant_id, approval_id, user_id, decision, comment, decided_at)
         values ($1, $2, $3, $4, $5, $6)",
        tx.tenant().uuid(),
        approval.id.uuid(),
        user.uuid(),
        verdict.as_str(),
        comment.0,
        now
    )
    .execute(&mut *tx)
    .await?;
    let approved = approval.decisions.iter().filter(|decision| decision.decision == Verdict::Approve).count() + 1;
    let enough = u32::try_from(approved).unwrap_or(u32::MAX) >= approval.approvers.at_least;
    let state = match verdict {
        Verdict::Reject => ApprovalState::Rejected,
        Verdict::Approve if enough => ApprovalState::Approved,
        Verdict::Approve => ApprovalState::Pending,
    };
    if state != ApprovalState::Pending {
        sqlx::query!(
            "update approvals set state = $3, decided_at = $4 where tenant_id = $1 and id = $2",
            tx.tenant().uuid(),
            approval.id.uuid(),
            state.as_str(),
            now
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(tx.load::<Approval>(approval.id).await?.into_inner())
}
