//! All SQL on `user_imports` and `user_import_lines`.

use std::time::Duration;

use serde_json::Value;
use sqlx::types::Json;
use tenure_kernel::permission::UserWrite;
use tenure_kernel::{
    Change, Error, ImportId, Kernel, KeyId, Load, Mode, Page, PageQuery, Permission as _, PermissionSet, Permitted,
    Personal, Result, SystemReason, SystemTx, TenantId, TenantTx, Timestamp, UserId, Write,
};
use uuid::Uuid;

use super::file::{Cells, RawLine};
use super::line::Made;
use super::model::{Import, ImportKind, ImportLine, ImportState, LineError, LineState};
use crate::domain::access::Asker;

/// Where the sealed cells stand: part of what they are authenticated with.
const SEALED: (&str, &str) = ("user_import_lines", "input");
/// A report is kept so long, and with it what undoing needs.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

struct Row {
    id: ImportId,
    kind: String,
    dry_run: bool,
    state: String,
    total: i32,
    done: i32,
    added: i32,
    refused: i32,
    undone: i32,
    kept: i32,
    stopped_because: Option<String>,
    created_by: Option<UserId>,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl Row {
    fn read(self) -> Result<Import> {
        Ok(Import {
            id: self.id,
            kind: kind(&self.kind)?,
            dry_run: self.dry_run,
            state: ImportState::parse(&self.state)
                .ok_or_else(|| Error::internal("an import in a state that nobody knows"))?,
            total: self.total,
            done: self.done,
            added: self.added,
            refused: self.refused,
            undone: self.undone,
            kept: self.kept,
            stopped_because: self.stopped_because,
            created_by: self.created_by,
            created_at: self.created_at,
            finished_at: self.finished_at,
        })
    }
}

fn kind(stored: &str) -> Result<ImportKind> {
    ImportKind::parse(stored).ok_or_else(|| Error::internal("an import of a kind that nobody knows"))
}

impl Load for Import {
    type Id = ImportId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: ImportId, lock: bool) -> Result<Option<Self>> {
        let tenant = tx.tenant().uuid();
        if lock {
            sqlx::query!(
                "select 1 as one from user_imports where tenant_id = $1 and id = $2 for update",
                tenant,
                id.uuid()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        let row = sqlx::query_as!(
            Row,
            r#"select id as "id: ImportId", kind, dry_run, state, total, done, added, refused, undone, kept, stopped_because,
                      created_by as "created_by: UserId", created_at, finished_at
               from user_imports where tenant_id = $1 and id = $2"#,
            tenant,
            id.uuid()
        )
        .fetch_optional(&mut *tx)
        .await?;
        row.map(Row::read).transpose()
    }
}

/// Those of a kind, the newest first.
pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>, kind: ImportKind, page: &PageQuery) -> Result<Page<Import>> {
    let (at, id) = page.after::<(Timestamp, ImportId)>()?.unzip();
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: ImportId", kind, dry_run, state, total, done, added, refused, undone, kept, stopped_because,
                  created_by as "created_by: UserId", created_at, finished_at
           from user_imports where tenant_id = $1 and kind = $5 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
           order by created_at desc, id desc limit $4"#,
        tx.tenant().uuid(),
        at,
        id.map(ImportId::uuid),
        page.rows()?,
        kind.as_str()
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows.into_iter().map(Row::read).collect::<Result<_>>()?, |last| (last.created_at, last.id))
}

/// What an import's lines came to, by their number; of one state where one is asked for.
///
/// A person's keys are theirs and who manages people's to see, as in the list of keys: to others a line that is not surely a service
/// account's key has neither name nor identifier.
pub(super) async fn lines<M: Mode>(
    tx: &mut TenantTx<M>,
    import: &Permitted<Import>,
    state: Option<LineState>,
    after: Option<i32>,
    rows: i64,
) -> Result<Vec<ImportLine>> {
    let cx = tx.cx();
    let handed_in = import.created_by.is_some() && import.created_by == cx.actor().user();
    let sees_all =
        import.kind != ImportKind::ApiKeys || handed_in || cx.identity.permissions.contains(UserWrite::NEEDS);
    let rows = sqlx::query!(
        r#"select line, state, username, email, user_id as "user: UserId", errors as "errors: Json<Vec<LineError>>",
                  case when seen then name else '' end as "name!", case when seen then key_id end as "key: KeyId"
           from (select l.tenant_id, l.import_id, l.line, l.state, l.username, l.email, l.user_id, l.errors, l.name, l.key_id,
                        $6 or exists (select from api_keys k where k.tenant_id = l.tenant_id and k.id = l.key_id
                                         and k.service_account_id is not null) as seen
                 from user_import_lines l) lines
           where tenant_id = $1 and import_id = $2 and line > $3 and ($4::text is null or state = $4)
           order by line limit $5"#,
        tx.tenant().uuid(),
        import.id.uuid(),
        after.unwrap_or(0),
        state.map(LineState::as_str),
        rows,
        sees_all
    )
    .fetch_all(&mut *tx)
    .await?;
    let lines = rows.into_iter().map(|row| {
        Ok(ImportLine {
            line: row.line,
            state: LineState::parse(&row.state)
                .ok_or_else(|| Error::internal("a line in a state that nobody knows"))?,
            username: Personal(row.username),
            email: Personal(row.email),
            name: row.name,
            user: row.user,
            key: row.key,
            errors: row.errors.0,
        })
    });
    lines.collect()
}

/// Hands in a file.
///
/// # Errors
/// The constraint `user_imports_one_at_a_time`; PostgreSQL's.
pub(super) async fn insert(
    tx: &mut TenantTx<Write>,
    kind: ImportKind,
    dry_run: bool,
    lines: Vec<RawLine>,
) -> Result<Change<Import>> {
    let (id, now) = (tx.new_id::<tenure_kernel::kind::Import>(), tx.now());
    let (actor, held) = Asker::of(tx.cx()).stored()?;
    let import = Import {
        id,
        kind,
        dry_run,
        state: ImportState::Waiting,
        total: i32::try_from(lines.len()).unwrap_or(i32::MAX),
        done: 0,
        added: 0,
        refused: 0,
        undone: 0,
        kept: 0,
        stopped_because: None,
        created_by: tx.cx().actor().user(),
        created_at: now,
        finished_at: None,
    };
    sqlx::query!(
        "insert into user_imports (tenant_id, id, dry_run, state, total, created_by, actor, held, turn_at, created_at, kind, second_factor)
         values ($1, $2, $3, 'waiting', $4, $5, $6, $7, $8, $8, $9, $10)",
        tx.tenant().uuid(),
        id.uuid(),
        dry_run,
        import.total,
        import.created_by.map(UserId::uuid),
        actor,
        &held,
        now,
        kind.as_str(),
        tx.cx().identity.assurance.mfa
    )
    .execute(&mut *tx)
    .await?;
    let keys = tx.keys().await?;
    let (mut numbers, mut ids, mut inputs) = (vec![], vec![], vec![]);
    let (mut usernames, mut addresses, mut names) = (vec![], vec![], vec![]);
    for line in &lines {
        let row = Uuid::new_v4();
        let cells = zeroize::Zeroizing::new(serde_json::to_vec(&line.cells)?);
        numbers.push(line.number);
        ids.push(row);
        usernames.push(shown(line.cells.get("username")));
        addresses.push(shown(line.cells.get("email")));
        names.push(shown(line.cells.get("name")));
        inputs.push(keys.seal(SEALED.0, SEALED.1, row, &cells)?.as_bytes().to_vec());
    }
    sqlx::query!(
        "insert into user_import_lines (tenant_id, import_id, line, id, state, username, email, name, input)
         select $1, $2, l.line, l.id, 'waiting', l.username, l.email, l.name, l.input
         from unnest($3::integer[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::bytea[]) as l (line, id, username, email, name, input)",
        tx.tenant().uuid(),
        id.uuid(),
        &numbers,
        &ids,
        &usernames,
        &addresses,
        &names,
        &inputs
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Created(import))
}

/// What may have been written there was perhaps no name at all.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(254).collect()
}

/// Has an import stop at the line that it is at.
pub(super) async fn cancel(tx: &mut TenantTx<Write>, import: &Permitted<Import>) -> Result<()> {
    sqlx::query!(
        "update user_imports set cancelled = true where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        import.id.uuid()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Has an import taken back, as far as who asks now may.
///
/// # Errors
/// The constraint `user_imports_one_at_a_time`; PostgreSQL's.
pub(super) async fn undo(tx: &mut TenantTx<Write>, import: Permitted<Import>) -> Result<Change<Import>> {
    let before = import.into_inner();
    let after = Import { state: ImportState::Undoing, finished_at: None, ..before.clone() };
    let (actor, held) = Asker::of(tx.cx()).stored()?;
    sqlx::query!(
        "update user_imports set state = 'undoing', finished_at = null, cancelled = false, actor = $3, held = $4, turn_at = $5
         where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        before.id.uuid(),
        actor,
        &held,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// An import that this node is at.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) tenant: TenantId,
    pub(super) id: ImportId,
    pub(super) kind: ImportKind,
    pub(super) dry_run: bool,
    pub(super) undoing: bool,
    /// Who asked for it, or for its undoing.
    pub(super) asker: Asker,
    /// Whether the login that handed it in had proven a second factor.
    pub(super) second_factor: bool,
}

/// Takes the import that waited longest among those that nobody is at.
pub(super) async fn claim(tx: &mut SystemTx, node: Uuid, lease: Duration) -> Result<Option<Claim>> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"update user_imports i set lease_owner = $1, taken_by = $1, lease_until = $3, state = case i.state when 'waiting' then 'running' else i.state end
           from (select tenant_id, id from user_imports
                 where state in ('waiting', 'running', 'undoing') and (lease_until is null or lease_until < $2)
                 order by turn_at limit 1 for update skip locked) as next
           where i.tenant_id = next.tenant_id and i.id = next.id
           returning i.tenant_id as "tenant: TenantId", i.id as "id: ImportId", i.kind, i.dry_run, i.state = 'undoing' as "undoing!",
                     i.actor, i.held, i.second_factor"#,
        node,
        now,
        now.after(lease)
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Claim {
        tenant: row.tenant,
        id: row.id,
        kind: kind(&row.kind)?,
        dry_run: row.dry_run,
        undoing: row.undoing,
        asker: Asker::read(&row.actor, &row.held)?,
        second_factor: row.second_factor,
    }))
}

/// How an import stands with the node that is at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    /// Go on.
    Held,
    /// Somebody wants it to stop.
    Cancelled,
    /// Another node took it over.
    Lost,
}

/// Holds on to an import, and locks it until the transaction ends.
pub(super) async fn renew(tx: &mut SystemTx, claim: &Claim, node: Uuid, lease: Duration) -> Result<Lease> {
    let cancelled = sqlx::query_scalar!(
        "update user_imports set lease_until = $4 where tenant_id = $1 and id = $2 and lease_owner = $3 returning cancelled",
        claim.tenant.uuid(),
        claim.id.uuid(),
        node,
        tx.now().after(lease)
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(match cancelled {
        Some(false) => Lease::Held,
        Some(true) => Lease::Cancelled,
        None => Lease::Lost,
    })
}

/// Lets go of an import, for another's turn.
pub(super) async fn release(tx: &mut SystemTx, claim: &Claim, node: Uuid) -> Result<()> {
    sqlx::query!(
        "update user_imports set lease_owner = null, taken_by = null, lease_until = null, turn_at = $4 where tenant_id = $1 and id = $2 and lease_owner = $3",
        claim.tenant.uuid(),
        claim.id.uuid(),
        node,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// A line whose turn it is.
pub(super) struct Turn {
    pub(super) line: i32,
    /// As it was written.
    pub(super) name: String,
    /// What it made, where that is to be taken back.
    pub(super) made: Made,
    cells: Option<(Uuid, Vec<u8>)>,
}

impl Turn {
    /// What stands in the line.
    pub(super) fn cells(&self, keys: &tenure_kernel::keys::TenantKeys) -> Result<Cells> {
        let (row, sealed) = self.cells.as_ref().ok_or_else(|| Error::internal("a line without its cells"))?;
        Ok(serde_json::from_slice(keys.open(SEALED.0, SEALED.1, *row, sealed)?.expose())?)
    }
}

/// The next lines in this state.
pub(super) async fn turns(tx: &mut SystemTx, claim: &Claim, state: LineState, most: i64) -> Result<Vec<Turn>> {
    let rows = sqlx::query!(
        r#"select line, id, name, user_id as "user: UserId", made_person, key_id as "key: KeyId", made_at as "made_at: Timestamp", input
           from user_import_lines
           where tenant_id = $1 and import_id = $2 and state = $3 order by line limit $4"#,
        claim.tenant.uuid(),
        claim.id.uuid(),
        state.as_str(),
        most
    )
    .fetch_all(&mut *tx)
    .await?;
    let turns = rows.into_iter().map(|row| Turn {
        line: row.line,
        name: row.name,
        made: Made { user: row.user, made_person: row.made_person, key: row.key, at: row.made_at },
        cells: row.input.map(|sealed| (row.id, sealed)),
    });
    Ok(turns.collect())
}

/// What came of a line.
pub(super) struct Verdict {
    state: LineState,
    made: Made,
    errors: Vec<LineError>,
    /// It brought a key that is another organisation's.
    of_another: bool,
}

impl Verdict {
    /// Nothing stands against it.
    pub(super) fn of(state: LineState, made: Made) -> Self {
        Self { state, made, errors: Vec::new(), of_another: false }
    }

    pub(super) fn refused(errors: Vec<LineError>) -> Self {
        Self { state: LineState::Refused, made: Made::default(), errors, of_another: false }
    }

    /// It brought a key that is another organisation's.
    pub(super) fn of_another(errors: Vec<LineError>) -> Self {
        Self { of_another: true, ..Self::refused(errors) }
    }

    /// What it made stays.
    pub(super) fn kept(errors: Vec<LineError>) -> Self {
        Self { state: LineState::Kept, made: Made::default(), errors, of_another: false }
    }
}

/// Writes what came of a line, counts it, and forgets what stood in it. How many lines of the import so far brought keys that are
/// other organisations'.
pub(super) async fn settle(tx: &mut SystemTx, claim: &Claim, line: i32, verdict: &Verdict) -> Result<i32> {
    let state = verdict.state;
    let of_others = sqlx::query_scalar!(
        "with settled as (
             update user_import_lines set state = $4, user_id = coalesce($5, user_id), made_person = made_person or $6, errors = $7, input = null,
                    key_id = coalesce($13, key_id), made_at = coalesce($14, made_at)
             where tenant_id = $1 and import_id = $2 and line = $3)
         update user_imports set done = done + $8, added = added + $9, refused = refused + $10, undone = undone + $11, kept = kept + $12,
                of_others = of_others + $15
         where tenant_id = $1 and id = $2 returning of_others",
        claim.tenant.uuid(),
        claim.id.uuid(),
        line,
        state.as_str(),
        verdict.made.user.map(UserId::uuid),
        verdict.made.made_person,
        Json(&verdict.errors) as _,
        i32::from(!claim.undoing),
        i32::from(matches!(state, LineState::Added | LineState::Planned)),
        i32::from(state == LineState::Refused),
        i32::from(state == LineState::Undone),
        i32::from(state == LineState::Kept),
        verdict.made.key.map(KeyId::uuid),
        verdict.made.at as Option<Timestamp>,
        i32::from(verdict.of_another)
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(of_others)
}

/// The import is over; its lines that had no turn get none, and nothing of what stood in them stays.
pub(super) async fn finish(
    tx: &mut SystemTx,
    claim: &Claim,
    state: ImportState,
    because: Option<&str>,
) -> Result<Value> {
    let row = sqlx::query!(
        "with skipped as (
             update user_import_lines set state = 'skipped', input = null
             where tenant_id = $1 and import_id = $2 and state = 'waiting')
         update user_imports set state = $3, stopped_because = coalesce($4, stopped_because), finished_at = $5,
                lease_owner = null, taken_by = null, lease_until = null
         where tenant_id = $1 and id = $2 returning total, added, refused, undone, kept",
        claim.tenant.uuid(),
        claim.id.uuid(),
        state.as_str(),
        because,
        tx.now()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(serde_json::json!({
        "total": row.total, "added": row.added, "refused": row.refused, "undone": row.undone, "kept": row.kept
    }))
}

/// What who asked for the import may do now, and could do when they asked.
pub(super) async fn standing(tx: &mut SystemTx, claim: &Claim) -> Result<PermissionSet> {
    claim.asker.may(tx, claim.tenant).await
}

/// Puts a new member into the teams of these names; which of the names are of none.
pub(super) async fn join_teams(
    tx: &mut SystemTx,
    tenant: TenantId,
    user: UserId,
    names: &[String],
) -> Result<(Vec<tenure_kernel::TeamId>, Vec<String>)> {
    let wanted: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let rows = sqlx::query!(
        r#"select id as "id: tenure_kernel::TeamId", lower(name) as "name!" from teams where tenant_id = $1 and lower(name) = any($2)"#,
        tenant.uuid(),
        &wanted
    )
    .fetch_all(&mut *tx)
    .await?;
    let unknown: Vec<String> = names
        .iter()
        .zip(&wanted)
        .filter(|(_, name)| !rows.iter().any(|row| row.name == **name))
        .map(|(name, _)| name.clone())
        .collect();
    let teams: Vec<tenure_kernel::TeamId> = rows.into_iter().map(|row| row.id).collect();
    let ids: Vec<Uuid> = teams.iter().map(|team| team.uuid()).collect();
    sqlx::query!(
        "insert into team_members (tenant_id, team_id, user_id, added_at) select $1, unnest($2::uuid[]), $3, $4",
        tenant.uuid(),
        &ids,
        user.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok((teams, unknown))
}

/// Deletes imports whose report nobody asks for any more. How many.
///
/// # Errors
/// PostgreSQL's.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    let delete = async |tx: &mut SystemTx, most: i64| {
        let done = sqlx::query!(
            "delete from user_imports where (tenant_id, id) in (
                 select tenant_id, id from user_imports where finished_at < $1 limit $2)",
            tx.now().before(KEPT_FOR),
            most
        )
        .execute(&mut *tx)
        .await?;
        Ok(done.rows_affected())
    };
    kernel.sweep(SystemReason::ManagePeople, delete).await
}
