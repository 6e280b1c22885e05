//! `GET /api/v1/instance`: what somebody who has not logged in may know, so that the console can offer the right form.

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;
use tenure_kernel::{Anonymous, Json, Result};
use utoipa::ToSchema;

use super::new_password::MIN_PASSWORD;
use super::signup::Registration;
use crate::app::{App, Routes};
use crate::domain::mail::Way;

/// The route.
pub fn routes() -> Routes {
    Routes::new("Instance").public(
        Method::GET,
        "/instance",
        "the login page needs it",
        instance,
        "What kind of instance this is, and how one gets in.",
    )
}

/// What it takes to get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Logins {
    /// Everybody logs in.
    On,
    /// Development: a request without a token is the local administrator's.
    Off,
}

/// What kind of instance this is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Instance {
    /// Version of the server.
    version: &'static str,
    /// `development` or `production`.
    environment: &'static str,
    /// Who may register.
    registration: Registration,
    /// Whether anybody needs to log in.
    auth: Logins,
    /// Characters that a new password needs.
    password_min_length: usize,
    /// How messages leave, and so whether a forgotten password can be set anew.
    mail: Way,
    /// Whether a plugin needs a signature before it can be activated.
    require_signed_plugins: bool,
}

async fn instance(_anonymous: Anonymous, State(app): State<App>) -> Result<Json<Instance>> {
    let config = &app.config;
    Ok(Json(Instance {
        version: env!("CARGO_PKG_VERSION"),
        environment: if config.production { "production" } else { "development" },
        registration: config.registration,
        auth: if config.logins { Logins::On } else { Logins::Off },
        password_min_length: MIN_PASSWORD,
        mail: app.mail.way(),
        require_signed_plugins: config.require_signed_plugins,
    }))
}
