//! The same questions in an organisation of a hundred people, and in one of fifty thousand among a thousand organisations.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::Stage;
use crate::client::{Api, Connection, request};
use crate::engine::text;
use crate::figure::{Figure, Findings, Quantity, Target};
use crate::program::Program;
use crate::scratch::Scratch;
use crate::stats::median;

const FEW: u32 = 100;
const MANY: u32 = 50_000;
/// Each with 50 members: together with the large one, 100,000 people.
const OTHERS: i64 = 999;
const ASKED: usize = 200;

const ELSEWHERE: &str = "with made as (
         insert into tenants (tenant_id, slug, name, plan, created_at)
         select gen_random_uuid(), 'crowd-' || n, 'Crowd ' || n, 'free', now() from generate_series(1, $1) n returning tenant_id),
     people as (
         insert into users (id, username, email, full_name, created_at)
         select gen_random_uuid(), 'crowd-' || n, 'crowd-' || n || '@example.com', 'Somebody ' || n, now()
         from generate_series(1, $1 * 50) n returning *),
     numbered as (select *, (row_number() over ()) % $1 as place from people),
     places as (select tenant_id, row_number() over () - 1 as place from made)
     insert into memberships (tenant_id, user_id, username, email, full_name, status, roles, created_at, updated_at, accepted_at)
     select tenant_id, id, username, email, full_name, 'active', array['viewer'], created_at, created_at, created_at
     from numbered join places using (place)";

/// What the questions take, in milliseconds.
struct Times {
    login: f64,
    list: f64,
    lookup: f64,
    first: f64,
}

/// Login, a filtered list, what somebody may do and why, and the first request with a token (which looks its login up).
///
/// # Errors
/// If the server fails or an answer is not what it should be.
pub async fn crowd(scratch: &Scratch, program: &Program, data: &Path) -> Result<Findings> {
    let small = Stage::set(scratch, program, data).await?;
    small.people(scratch, FEW).await?;
    scratch.execute("vacuum analyze").await?;
    let few = ask(&small, FEW).await?;
    small.server.stop().await?;
    let large = Stage::set(scratch, program, data).await?;
    large.people(scratch, MANY).await?;
    let mut admin = scratch.admin().await?;
    sqlx::query(ELSEWHERE).bind(OTHERS).execute(&mut admin).await.context("cannot make the others")?;
    scratch.execute("vacuum analyze").await?;
    let (people, tenants) =
        (scratch.count("select count(*) from users").await?, scratch.count("select count(*) from tenants").await?);
    ensure!(people >= 100_000 && tenants >= 1_000, "there are {people} people in {tenants} organisations");
    let many = ask(&large, MANY).await?;
    large.server.stop().await?;
    let mut findings = Findings::default();
    let note = format!("median of {ASKED}; {people} people in {tenants} organisations beside {FEW} in one");
    for (name, many, few) in [
        ("a login", many.login, few.login),
        ("a filtered page of members", many.list, few.list),
        ("what a member may do and why", many.lookup, few.lookup),
        ("the first request with a token", many.first, few.first),
    ] {
        let measured = Quantity::new(format!("{name}, 100,000 people"), many, "ms");
        let reference = Quantity::new("the same, 100 people", few, "ms");
        findings.figures.push(Figure::beside(measured, reference, Target::RatioAtMost(1.5), note.clone()));
    }
    Ok(findings)
}

async fn ask(stage: &Stage, people: u32) -> Result<Times> {
    let (mut api, mut connection) = (stage.api(), Connection::open(stage.address()).await?);
    let (mut login, mut list, mut lookup, mut first) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let milliseconds = |begun: Instant| begun.elapsed().as_secs_f64() * 1e3;
    // One round warms connections and plans up.
    for round in 0..=ASKED {
        let number = u64::try_from(round)? * 7_919 % u64::from(people) + 1;
        let begun = Instant::now();
        let logged_in = connection.send(&stage.login(number)).await?.json(200)?;
        let took = milliseconds(begun);
        let bearer = format!("Bearer {}", text(&logged_in, "access_token")?);
        let begun = Instant::now();
        let teams = connection.send(&request("GET", "/api/v1/teams", &[("authorization", &bearer)], None)).await?;
        ensure!(teams.status == 200, "the first request was answered with {}", teams.status);
        let on_first = milliseconds(begun);
        let (listed, page) = timed(&mut api, &format!("/users?role=viewer&search=person%20{number}&limit=20")).await?;
        let found = page.pointer("/items/0/id").and_then(serde_json::Value::as_str);
        let found = found.with_context(|| format!("person {number} was not found: {page}"))?.to_owned();
        let (looked_up, _) = timed(&mut api, &format!("/permissions/explain?user={found}")).await?;
        if round > 0 {
            login.push(took);
            first.push(on_first);
            list.push(listed);
            lookup.push(looked_up);
        }
    }
    let middle = |times: &[f64]| median(times).context("nothing was asked");
    Ok(Times { login: middle(&login)?, list: middle(&list)?, lookup: middle(&lookup)?, first: middle(&first)? })
}

async fn timed(api: &mut Api, path: &str) -> Result<(f64, serde_json::Value)> {
    let begun = Instant::now();
    let answer = api.call("GET", path, None, 200).await?;
    Ok((begun.elapsed().as_secs_f64() * 1e3, answer))
}
