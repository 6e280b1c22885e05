//! A superuser changes the tables, and a verification against an earlier checkpoint names the first bad event.

use std::collections::BTreeMap;

use tenure_kernel::{Audited, EventId, SystemReason, TenantId};
use tenure_platform::domain::audit::{Depth, Trusted, Verification, verify_in};
use tenure_platform::testkit::{Admin, TestApp};
use uuid::Uuid;

use super::{held, seal_all, teams};

const TAMPERINGS: u64 = 1000;

/// splitmix64: the same tamperings in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// A log: its events in order, and the sizes of its stored checkpoints.
struct Log {
    tenant: Uuid,
    other: Uuid,
    events: Vec<Uuid>,
    checkpoints: Vec<i64>,
    /// Size of the checkpoint that the verifier holds.
    held: u64,
}

/// What is done, what must be named, and as what.
struct Tampering {
    name: &'static str,
    sql: String,
    index: Option<u64>,
    kinds: &'static [&'static str],
}

impl Log {
    fn size(&self) -> u64 {
        self.events.len() as u64
    }

    fn event(&self, index: u64) -> Uuid {
        self.events[usize::try_from(index).unwrap()]
    }

    /// Makes room for one seal at `index`, or closes the gap that one left.
    fn shift(&self, from: u64, by: i64) -> String {
        let tenant = self.tenant;
        format!(
            "update event_seals set seq = seq + 1000000 where tenant_id = '{tenant}' and seq >= {from};
             update event_seals set seq = seq - 1000000 + {by} where tenant_id = '{tenant}' and seq >= 1000000;"
        )
    }

    fn edit(&self, dice: &mut Dice, index: u64) -> String {
        let change = dice.pick(&[
            "principal = 'anonymous'",
            "action = 'team.deleted'",
            "reason = coalesce(reason, '') || '.'",
            "reason = 'x', hmac = sha256('x')",
            "resource_id = 'team_x'",
            "resource_type = resource_type || 'x'",
            "outcome = case outcome when 'denied' then 'success' else 'denied' end",
            "diff = '[]'",
            "diff = coalesce(diff, '[]') || '[{\"op\": \"remove\", \"path\": \"/x\"}]'",
            "region = 'elsewhere'",
            "policy_version = '7'",
            "session_id = gen_random_uuid()",
            "request_id = gen_random_uuid()",
            "trace_id = 'x'",
            "on_behalf_of = principal",
            "address_digest = sha256('x')",
            "user_agent_digest = '\\x00'",
            "schema_version = 9",
            "hmac = sha256(hmac)",
            "hmac = '\\x'",
            "hmac_key_id = gen_random_uuid()",
            "personal_key_id = gen_random_uuid()",
            "personal = sha256(coalesce(personal, ''))",
            "personal = coalesce(personal, '') || '\\x00'",
            "personal = (select o.personal from events o where o.tenant_id = events.tenant_id and o.id <> events.id and o.personal is not null limit 1)",
        ]);
        let (tenant, event) = (self.tenant, self.event(index));
        format!("update events set {change} where tenant_id = '{tenant}' and id = '{event}';")
    }

    fn tamper(&self, dice: &mut Dice) -> Tampering {
        let (tenant, other) = (self.tenant, self.other);
        let index = dice.below(self.size());
        let event = self.event(index);
        let seal = format!("tenant_id = '{tenant}' and seq = {index}");
        let row = format!("tenant_id = '{tenant}' and id = '{event}'");
        let at = |name, sql, kinds| Tampering { name, sql, index: Some(index), kinds };
        let gone: &[&str] = &["deleted", "missing-at-end"];
        let planted = format!(
            "create temp table planted on commit drop as select * from events where tenant_id = '{tenant}' limit 1;
             update planted set id = 'ffffffff-0000-4000-8000-000000000000', action = 'team.planted';
             insert into events select * from planted;"
        );
        match dice.below(18) {
            0 | 1 => at("edit", self.edit(dice, index), &["edited", "forged"]),
            2 => {
                let seal = format!("update event_seals set leaf_hash = sha256('x') where {seal}");
                // Of an event whose edit the leaf does not hold the seal is wrong all the same.
                let kinds = &["edited", "forged", "seal-altered"];
                at("edit with its seal", self.edit(dice, index) + &seal, kinds)
            }
            3 => at("move in time", format!("update events set at = at + interval '1 ms' where {row}"), gone),
            4 => at("delete", format!("delete from events where {row}"), gone),
            5 => at(
                "delete with its seal",
                format!("delete from events where {row}; delete from event_seals where {seal}"),
                gone,
            ),
            6 => {
                let closed = self.shift(index + 1, -1);
                at(
                    "delete and renumber",
                    format!("delete from events where {row}; delete from event_seals where {seal}; {closed}"),
                    gone,
                )
            }
            7 => at("give to another tenant", format!("update events set tenant_id = '{other}' where {row}"), gone),
            8 => {
                let room = self.shift(index, 1);
                let sql = format!(
                    "{planted} {room} insert into event_seals select '{tenant}', {index}, id, at, sha256('x'), sha256('y') from planted"
                );
                at("insert and renumber", sql, &["inserted"])
            }
            9 => {
                let sql = format!(
                    "{planted} insert into event_seals select '{tenant}', {}, id, at, sha256('x'), sha256('y') from planted",
                    self.size()
                );
                Tampering {
                    name: "append",
                    sql,
                    index: Some(self.size()),
                    kinds: &["inserted", "forged", "unconfirmed"],
                }
            }
            10 => Tampering { name: "insert without a seal", sql: planted, index: None, kinds: &["inserted"] },
            11 | 12 => {
                let second = (index + 1 + dice.below(self.size() - 1)) % self.size();
                let sql = format!(
                    "update event_seals set seq = -1 where {seal}; update event_seals set seq = {index} where tenant_id = '{tenant}' and seq = {second};
                     update event_seals set seq = {second} where tenant_id = '{tenant}' and seq = -1"
                );
                Tampering { name: "swap", sql, index: Some(index.min(second)), kinds: &["reordered"] }
            }
            13 => {
                // Cut below the held checkpoint, and everything else made to fit.
                let cut = dice.below(self.held);
                let sql = format!(
                    "delete from events e using event_seals s where e.tenant_id = '{tenant}' and s.tenant_id = e.tenant_id and s.event_id = e.id and s.seq >= {cut};
                     delete from event_seals where tenant_id = '{tenant}' and seq >= {cut};
                     delete from checkpoints where tenant_id = '{tenant}' and size > {cut};
                     delete from tree_states where tenant_id = '{tenant}'"
                );
                Tampering { name: "truncate", sql, index: Some(cut), kinds: &["missing-at-end"] }
            }
            14 => {
                let change = dice.pick(&["leaf_hash = sha256(leaf_hash)", "seal_mac = sha256(seal_mac)"]);
                at("alter a seal", format!("update event_seals set {change} where {seal}"), &["seal-altered"])
            }
            15 => {
                let change = dice.pick(&["event_id = gen_random_uuid()", "event_at = event_at + interval '1 s'"]);
                at("point a seal elsewhere", format!("update event_seals set {change} where {seal}"), gone)
            }
            16 => {
                let which = usize::try_from(dice.below(self.checkpoints.len() as u64)).unwrap();
                let size = self.checkpoints[which];
                let change = dice.pick(&[
                    "note = replace(note, 'tenure', 'Tenure')",
                    "note = substr(note, 1, 20)",
                    "root = sha256('x')",
                    "size = size + 1000",
                ]);
                let sql = format!("update checkpoints set {change} where tenant_id = '{tenant}' and size = {size}");
                Tampering {
                    name: "alter a checkpoint",
                    sql,
                    index: None,
                    kinds: &["checkpoint", "unconfirmed", "missing-at-end"],
                }
            }
            _ => {
                let change = dice.pick(&[
                    "size = size - 1",
                    "frontier = sha256('x')",
                    "frontier = set_byte(frontier, 0, get_byte(frontier, 0) # 255)",
                    "size = -1",
                ]);
                let sql = format!("update tree_states set {change} where tenant_id = '{tenant}'");
                Tampering { name: "alter the tree state", sql, index: None, kinds: &["tree-state"] }
            }
        }
    }
}

async fn rows<T>(admin: &mut Admin, sql: &'static str, tenant: TenantId) -> Vec<T>
where
    T: Send + Unpin,
    for<'r> T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::query_scalar(sql).bind(tenant.uuid()).fetch_all(admin).await.unwrap()
}

/// A log of many checkpoints, and a verifier who holds an earlier one.
struct Bench {
    app: TestApp,
    admin: Admin,
    log: Log,
    tenant: TenantId,
    keys: std::sync::Arc<tenure_kernel::keys::TenantKeys>,
    note: String,
}

impl Bench {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let (ada, bob) = (app.register("ada", "Engines").await, app.register("bob", "Builders").await);
        app.halt();
        for round in 0..8 {
            teams(&app, &ada, round * 5..round * 5 + 5).await;
            seal_all(&app).await;
        }
        let tenant = ada.tenant();
        let mut admin = app.admin().await;
        let events: Vec<Uuid> =
            rows(&mut admin, "select event_id from event_seals where tenant_id = $1 order by seq", tenant).await;
        let checkpoints: Vec<i64> =
            rows(&mut admin, "select size from checkpoints where tenant_id = $1 order by size", tenant).await;
        let note = held(&app, tenant).checkpoints().unwrap().swap_remove(5);
        let log = Log {
            tenant: tenant.uuid(),
            other: bob.tenant().uuid(),
            held: u64::try_from(checkpoints[5]).unwrap(),
            events,
            checkpoints,
        };
        assert!(log.held > 20 && log.held < log.size());
        let keys = app
            .app
            .kernel
            .system(SystemReason::Seal)
            .run(async |tx| Ok(Audited::none("a test needs the tenant's keys", tx.keys_of(tenant).await?)))
            .await
            .unwrap();
        Self { app, admin, log, tenant, keys, note }
    }

    /// What a verification finds after these statements, which are undone.
    async fn check(&mut self, sql: &str) -> Verification {
        let begin = format!("begin isolation level repeatable read; {sql}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut self.admin).await.unwrap();
        let trusted = Trusted { notes: vec![self.note.clone()], files: Some(held(&self.app, self.tenant)) };
        let now = self.app.app.kernel.clock().now();
        let found = verify_in(&mut self.admin, &self.keys, (self.tenant, now), trusted, Depth::Whole).await.unwrap();
        sqlx::raw_sql("rollback").execute(&mut self.admin).await.unwrap();
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tamperings_are_found_and_named() {
    let mut bench = Bench::start().await;
    assert!(bench.check("").await.ok);

    let (mut dice, mut done) = (Dice(40), BTreeMap::<&str, u32>::new());
    for round in 0..TAMPERINGS {
        let Tampering { name, sql, index, kinds } = bench.log.tamper(&mut dice);
        let found = bench.check(&sql).await;
        let Some(fault) = found.first_fault else { panic!("{round}: {name} was not found:\n{sql}") };
        assert!(kinds.contains(&fault.kind), "{round}: {name} at {index:?} was named {fault:?}:\n{sql}");
        if let Some(index) = index {
            assert_eq!(fault.index, Some(index), "{round}: {name} was named {fault:?}:\n{sql}");
            let named = ["edited", "forged", "seal-altered"].contains(&fault.kind) && index < bench.log.size();
            assert!(
                !named || fault.event_id == Some(EventId::from_uuid(bench.log.event(index))),
                "{round}: {name} was named {fault:?}"
            );
        }
        *done.entry(name).or_default() += 1;
    }
    assert_eq!(done.len(), 16, "{done:?}");
    assert!(bench.check("").await.ok, "nothing was left behind");
}

/// Every column of the table, as the catalogue has them: an edit of any of them is found, by the leaf or beside it.
#[tokio::test(flavor = "multi_thread")]
async fn no_column_of_an_event_can_be_edited_unseen() {
    let mut bench = Bench::start().await;
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select column_name::text, data_type::text from information_schema.columns where table_schema = 'public' and table_name = 'events' order by 1",
    )
    .fetch_all(&mut bench.admin)
    .await
    .unwrap();
    assert!(columns.len() > 20, "the catalogue was not understood");
    let mut dice = Dice(41);
    for (column, data_type) in columns {
        let changed = match (column.as_str(), data_type.as_str()) {
            ("tenant_id", _) => format!("'{}'", bench.log.other),
            ("outcome", _) => "case outcome when 'denied' then 'failure' else 'denied' end".to_owned(),
            (_, "uuid") => "gen_random_uuid()".to_owned(),
            (_, "text") => format!("coalesce({column}, '') || 'x'"),
            (_, "timestamp with time zone") => format!("{column} + interval '1 us'"),
            (_, "smallint") => format!("{column} + 1"),
            (_, "jsonb") => format!("coalesce({column}, '[]') || '[{{\"op\": \"remove\", \"path\": \"/x\"}}]'"),
            (_, "bytea") => format!("coalesce({column}, '') || '\\x00'"),
            other => panic!("no edit for {other:?}"),
        };
        for _ in 0..5 {
            let index = dice.below(bench.log.size());
            let (tenant, event) = (bench.log.tenant, bench.log.event(index));
            let sql = format!("update events set {column} = {changed} where tenant_id = '{tenant}' and id = '{event}'");
            let found = bench.check(&sql).await;
            let Some(fault) = found.first_fault else { panic!("an edit of {column} was not found:\n{sql}") };
            assert_eq!(fault.index, Some(index), "{column}: {fault:?}");
        }
    }
}

/// Values that are gone leave the log as it was, and are told; values in another's place do not.
#[tokio::test(flavor = "multi_thread")]
async fn erased_personal_values_are_told_and_swapped_ones_are_named() {
    let mut bench = Bench::start().await;
    let tenant = bench.log.tenant;
    let personal: Vec<Uuid> = rows(
        &mut bench.admin,
        "select e.id from events e join event_seals s on s.tenant_id = e.tenant_id and s.event_id = e.id where e.tenant_id = $1 and e.personal is not null order by s.seq",
        bench.tenant,
    )
    .await;
    assert!(personal.len() > 5);
    assert_eq!(bench.check("").await.personal_erased, 0);
    let erase =
        |event: Uuid| format!("update events set personal = null where tenant_id = '{tenant}' and id = '{event}';");
    let erased = bench.check(&(erase(personal[1]) + &erase(personal[3]))).await;
    assert!(erased.ok, "{erased:?}");
    assert_eq!(erased.personal_erased, 2);
    // Both are true values of this tenant, under its key; each only in its own place.
    let (one, other) = (personal[2], personal[4]);
    let of = |event: Uuid| format!("(select personal from before where id = '{event}')");
    let swapped = format!(
        "create temp table before on commit drop as select id, personal from events where tenant_id = '{tenant}';
         update events set personal = case id when '{one}' then {} else {} end where tenant_id = '{tenant}' and id in ('{one}', '{other}');",
        of(other),
        of(one)
    );
    let found = bench.check(&(erase(personal[5]) + &swapped)).await;
    let fault = found.first_fault.unwrap();
    assert_eq!((fault.kind, fault.event_id), ("edited", Some(EventId::from_uuid(one))), "{fault:?}");
    assert_eq!(found.personal_erased, 1);
}
