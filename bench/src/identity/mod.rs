//! What identity costs: logins, refreshes, an authenticated route that does nothing else, reads under an open load and beside a
//! storm of logins, and the same questions among a hundred people and among a hundred thousand.

mod crowd;
mod logins;
mod reads;
mod refreshes;

pub use crowd::crowd;
pub use logins::{logins, storm};
pub use reads::{hello, open_loop};
pub use refreshes::refreshes;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use tenure_kernel::TenantId;

use crate::client::{Api, request};
use crate::engine::{register, text};
use crate::program::{Program, Server};
use crate::requests::unique;
use crate::scratch::Scratch;

/// The password of everybody.
const PASSWORD: &str = "a quiet green meadow";

/// A server with somebody who administers an organisation on it.
pub(crate) struct Stage {
    pub(crate) server: Server,
    /// The administrator's user name; the names of others begin with it.
    pub(crate) name: String,
    pub(crate) tenant: TenantId,
    pub(crate) token: String,
}

impl Stage {
    pub(crate) async fn set(scratch: &Scratch, program: &Program, data: &Path) -> Result<Self> {
        let server = program.serve(data, "127.0.0.1:0", &scratch.environment()).await?;
        server.ready_after().await?;
        let name = unique();
        let (tenant, token) = register(&mut Api::anonymous(server.address), &name).await?;
        Ok(Self { server, name, tenant, token })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(crate) fn api(&self) -> Api {
        Api::with_token(self.address(), &self.token)
    }

    /// `count` more viewers in this organisation, `name-1`, `name-2` …, with everybody's password under the hash that the
    /// administrator's has.
    pub(crate) async fn people(&self, scratch: &Scratch, count: u32) -> Result<()> {
        let sql = "with made as (
                 insert into users (id, username, email, full_name, created_at)
                 select gen_random_uuid(), $1 || '-' || n, $1 || '-' || n || '@example.com', 'Person ' || n, now()
                 from generate_series(1, $3) n returning *),
             known as (
                 insert into credentials (user_id, kind, secret, updated_at)
                 select made.id, 'password', c.secret, now() from made,
                     (select secret from credentials c join users u on u.id = c.user_id where u.username = $1 and c.kind = 'password') c)
             insert into memberships (tenant_id, user_id, username, email, full_name, status, roles, created_at, updated_at, accepted_at)
             select $2, id, username, email, full_name, 'active', array['viewer'], created_at, created_at, created_at from made";
        let mut admin = scratch.admin().await?;
        let query = sqlx::query(sql).bind(&self.name).bind(self.tenant.uuid()).bind(i64::from(count));
        query.execute(&mut admin).await.context("cannot make people")?;
        Ok(())
    }

    /// The request with which person `number` logs in.
    pub(crate) fn login(&self, number: u64) -> Vec<u8> {
        let body = json!({ "username": format!("{}-{number}", self.name), "password": PASSWORD });
        request("POST", "/api/v1/auth/login", &[], Some(&body))
    }

    /// The request that reads the organisation's first team, as a bearer of the administrator's token.
    pub(crate) async fn read(&self) -> Result<Vec<u8>> {
        let new = json!({ "name": "Field operations", "description": "all" });
        let team = self.api().call("POST", "/teams", Some(&new), 201).await?;
        let path = format!("/api/v1/teams/{}", text(&team, "id")?);
        Ok(request("GET", &path, &[("authorization", &format!("Bearer {}", self.token))], None))
    }
}
