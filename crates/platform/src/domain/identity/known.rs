//! What a browser or program brings along that was given to it when its person last logged in: a device that they
//! trust, or a login that has not ended.

use std::net::IpAddr;

use axum::http::HeaderMap;
use tenure_kernel::{Result, SystemTx, UserId};

use super::cookie;
use super::lockout::Subjects;
use super::mfa_store::{self, KnownDevice};
use super::token::Opaque;

/// Digests of what was brought, or of nothing.
pub(super) struct Brought {
    device: Vec<u8>,
    refresh: Vec<u8>,
}

/// That somebody has been here before, as this person.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    Device(KnownDevice),
    Session,
}

impl Brought {
    /// `device` is the token that a program sends in the body.
    pub(super) fn new(headers: &HeaderMap, device: Option<&str>) -> Self {
        let (refresh, cookie) = cookie::sent_along(headers);
        let device = device.map(str::to_owned).or(cookie);
        let digest = |token: Option<String>| Opaque::digest(&token.unwrap_or_default());
        Self { device: digest(device), refresh: digest(refresh) }
    }

    /// Whether it is this person's. Asked for nobody, too, so that both take the same time.
    pub(super) async fn known(&self, tx: &mut SystemTx, user: Option<UserId>) -> Result<Option<Known>> {
        let device = mfa_store::device(tx, user, &self.device).await?;
        let inside = mfa_store::is_logged_in(tx, user, &self.refresh).await?;
        Ok(device.map(Known::Device).or(inside.then_some(Known::Session)))
    }
}

/// By what a failure is to be counted.
pub(super) fn subjects(known: Option<&Known>, typed: &str, user: Option<UserId>, address: Option<IpAddr>) -> Subjects {
    match (known, user) {
        (Some(Known::Device(device)), Some(user)) => Subjects::on_device(device.id, user, address),
        (Some(Known::Session), Some(user)) => Subjects::inside(user, address),
        (_, user) => Subjects::new(typed, user, address),
    }
}
