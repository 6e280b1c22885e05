//! Refreshes of logins beside the raw transaction that they need.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use futures::future::{BoxFuture, try_join_all};
use serde_json::json;

use super::Stage;
use crate::client::{Api, Connection, request};
use crate::engine::text;
use crate::figure::{Findings, Target};
use crate::program::Program;
use crate::run::{Contender, Measured, Settings, compare};
use crate::scratch::{Admin, Scratch};

const LOGINS: u64 = 32;

/// Logins that are refreshed one after the other, each on a connection of its own.
struct Refreshing {
    logins: Vec<(Connection, String)>,
}

impl Contender for Refreshing {
    fn name(&self) -> &str {
        "refreshes"
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        async move {
            let start = Instant::now();
            let workers = self.logins.iter_mut().map(|(connection, token)| async move {
                let mut done = 0_u64;
                while start.elapsed() < time {
                    let body = json!({ "refresh_token": &*token });
                    let answer = connection.send(&request("POST", "/api/v1/auth/refresh", &[], Some(&body))).await?;
                    *token = text(&answer.json(200)?, "refresh_token")?;
                    done += 1;
                }
                anyhow::Ok(done)
            });
            let done = try_join_all(workers).await?;
            Ok(Measured { operations: done.iter().sum(), elapsed: start.elapsed() })
        }
        .boxed()
    }
}

/// The statements of one, on as many connections: find the token with its login, use it up, put the next in its place.
struct Raw {
    sessions: Vec<(Admin, Vec<u8>)>,
}

const FIND: &str = "select s.id, s.user_id, s.tenant_id, r.used_at, s.revoked_at is null and s.expires_at > now(), t.status = 'active',
        u.status = 'active' and exists (select from memberships m where m.tenant_id = s.tenant_id and m.user_id = s.user_id and m.status = 'active')
    from refresh_tokens r join sessions s on s.id = r.session_id join users u on u.id = s.user_id join tenants t on t.tenant_id = s.tenant_id
    where r.digest = $1 for update of r, s";
const USE: &str = "with used as (update refresh_tokens set used_at = now() where digest = $1)
    update sessions set last_seen_at = now() where id = (select session_id from refresh_tokens where digest = $1)";
const NEXT: &str = "insert into refresh_tokens (digest, session_id, issued_at)
    select $2, session_id, now() from refresh_tokens where digest = $1";

impl Contender for Raw {
    fn name(&self) -> &str {
        "the raw transaction"
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        async move {
            let start = Instant::now();
            let workers = self.sessions.iter_mut().map(|(admin, digest)| async move {
                let mut done = 0_u64;
                while start.elapsed() < time {
                    let next: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(32).collect();
                    let mut tx = sqlx::Connection::begin(&mut *admin).await?;
                    sqlx::query(FIND).bind(&*digest).fetch_one(&mut *tx).await?;
                    sqlx::query(USE).bind(&*digest).execute(&mut *tx).await?;
                    sqlx::query(NEXT).bind(&*digest).bind(&next).execute(&mut *tx).await?;
                    tx.commit().await?;
                    *digest = next;
                    done += 1;
                }
                anyhow::Ok(done)
            });
            let done = try_join_all(workers).await?;
            Ok(Measured { operations: done.iter().sum(), elapsed: start.elapsed() })
        }
        .boxed()
    }
}

/// Refreshes per second of logins that are in use.
///
/// # Errors
/// If the server fails or refuses one.
pub async fn refreshes(scratch: &Scratch, program: &Program, data: &Path, settings: &Settings) -> Result<Findings> {
    let stage = Stage::set(scratch, program, data).await?;
    stage.people(scratch, u32::try_from(2 * LOGINS)?).await?;
    let mut logins = Vec::new();
    for number in 1..=LOGINS {
        let mut connection = Connection::open(stage.address()).await?;
        let login = connection.send(&stage.login(number)).await?.json(200)?;
        logins.push((connection, text(&login, "refresh_token")?));
    }
    // The same number of logins again, whose tokens only this knows.
    let mut sessions = Vec::new();
    for number in LOGINS + 1..=2 * LOGINS {
        let name = format!("{}-{number}", stage.name);
        let body = json!({ "username": name, "password": super::PASSWORD });
        let _ = Api::anonymous(stage.address()).call("POST", "/auth/login", Some(&body), 200).await?;
        let sql = "select digest from refresh_tokens r join sessions s on s.id = r.session_id join users u on u.id = s.user_id where u.username = $1";
        let mut admin = scratch.admin().await?;
        let digest = sqlx::query_scalar(sql).bind(name).fetch_one(&mut admin).await.context("no login was begun")?;
        sessions.push((admin, digest));
    }
    let (mut subject, mut reference) = (Refreshing { logins }, Raw { sessions });
    let report = compare("refreshes", &mut subject, &mut reference, settings).await?;
    drop((subject, reference));
    stage.server.stop().await?;
    let mut findings = Findings::default();
    findings.compared(report, Target::RatioAtLeast(0.5));
    Ok(findings)
}
