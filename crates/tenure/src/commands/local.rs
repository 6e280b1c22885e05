//! The organisation `local` of a data directory, as verbs without a server work in it.
//!
//! Two people stand for whoever sits at this machine: `local` starts executions, `local-approver` decides about them. So the
//! rule that nobody approves what they asked for holds here too, and the audit log tells the two acts apart.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};
use tenure_platform::domain::identity::LocalLogin;

use super::inside::Inside;
use super::{Failure, block_on, settings};
use crate::config::Flags;
use crate::platform::{Platform, Work};

const APPROVER: &str = "local-approver";

/// An open platform, and a login in its local organisation.
pub(super) struct Local {
    pub(super) platform: Platform,
    login: Arc<LocalLogin>,
}

impl Local {
    /// The API as the local administrator.
    pub(super) fn inside(&self) -> Inside {
        Inside::local(&self.platform, Arc::clone(&self.login))
    }

    /// The API as the person who decides, made when first needed. They hold every role, so that a workflow may name any.
    pub(super) async fn approver(&self) -> Result<Inside, Failure> {
        let mut login = self.login.begin_another(APPROVER).await?;
        if login.is_none() {
            let secret = format!("{}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
            let roles = ["admin", "developer", "operator", "executor", "viewer", "auditor"];
            let person = json!({
                "username": APPROVER, "email": format!("{APPROVER}@localhost"), "full_name": "Local approver",
                "password": secret, "roles": roles,
            });
            self.inside().call(Method::POST, "/users", &person).await?;
            // Who was added becomes a member by logging in; nobody knows this password afterwards.
            let first = json!({ "username": APPROVER, "password": secret });
            Inside::anonymous(&self.platform).call(Method::POST, "/auth/login", &first).await?;
            login = self.login.begin_another(APPROVER).await?;
        }
        let login = login.ok_or_else(|| Failure::Failed("the local approver was made and is not there".to_owned()))?;
        Ok(Inside::local(&self.platform, Arc::new(login)))
    }

    /// The approvals that hold this execution up.
    pub(super) async fn pending(&self, execution: &str) -> Result<Vec<Value>, Failure> {
        let path = format!("/approvals?state=pending&limit=200&execution_id={execution}");
        let mut page = self.inside().call(Method::GET, &path, &Value::Null).await?;
        match page.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }
}

/// Opens the data directory for one piece of work and closes it again. A signal ends the work, not the closing.
pub(super) fn on_local<T>(
    flags: &Flags,
    work: Work,
    act: impl AsyncFnOnce(&Local) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut flags = flags.clone();
    flags.quiet = true;
    let config = settings(&flags)?;
    block_on(async {
        let mut stop = super::serve::Stop::listen().map_err(|error| Failure::Failed(error.to_string()))?;
        let platform = Platform::open_to(&config, work).await?;
        let login = match LocalLogin::begin(&platform.app).await {
            Ok(login) => Arc::new(login),
            Err(error) => {
                platform.close().await;
                return Err(error.into());
            }
        };
        let local = Local { platform, login };
        let outcome = tokio::select! {
            outcome = act(&local) => outcome,
            () = stop.signalled() => Err(Failure::Failed(
                "interrupted; what was begun stands as it is: see it with `tenure execution list`, and go on with \
                 `tenure execution resume`".to_owned(),
            )),
        };
        local.platform.close().await;
        outcome
    })
}
