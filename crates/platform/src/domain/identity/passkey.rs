//! Passkeys (`WebAuthn` Level 3): as a second factor, and alone, since each asks for its owner's finger, face or PIN.
//!
//! A passkey belongs to a domain. Where the installation is reached by an address there is none; a loopback address
//! counts as `localhost`.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenure_kernel::{
    Error, OnConstraint as _, Page, PageQuery, PasskeyId, Problem, Result, SystemTx, Timestamp, UserId,
};
use utoipa::ToSchema;
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::model::User;

/// More than anybody carries.
const MOST_PASSKEYS: i64 = 20;

/// What checks passkeys, where there can be any.
#[derive(Debug, Clone)]
pub struct Passkeys(Option<Arc<Webauthn>>);

/// A passkey as its owner sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Passkey)]
pub struct PasskeyView {
    /// Identifier.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

impl Passkeys {
    /// For the installation's address, as people type it.
    ///
    /// # Errors
    /// When the library refuses the domain.
    pub fn new(issuer: &str) -> Result<Self> {
        let Ok(mut origin) = Url::parse(issuer) else { return Ok(Self(None)) };
        let address = origin.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        let local = address.is_some_and(|address| address.is_loopback() || address.is_unspecified());
        if local && origin.set_host(Some("localhost")).is_err() {
            return Ok(Self(None));
        }
        let Some(domain) = origin.domain().map(str::to_owned) else { return Ok(Self(None)) };
        let builder = WebauthnBuilder::new(&domain, &origin).map_err(Error::internal)?;
        // A development server is reached through forwarded ports and a bundler's own.
        let webauthn = builder.rp_name("Tenure").allow_any_port(domain == "localhost").build();
        Ok(Self(Some(Arc::new(webauthn.map_err(Error::internal)?))))
    }

    /// Whether there can be any.
    #[must_use]
    pub fn are_possible(&self) -> bool {
        self.0.is_some()
    }

    fn webauthn(&self) -> Result<&Webauthn> {
        self.0.as_deref().ok_or_else(|| {
            Problem::conflict(
                "passkeys belong to a domain, and this installation is reached by an address; set server.public_url",
            )
            .into()
        })
    }

    /// What the browser needs to make one (`PublicKeyCredentialCreationOptionsJSON`), and what checks it afterwards.
    pub(super) fn begin_registration(
        &self,
        user: &User,
        known: Vec<CredentialID>,
    ) -> Result<(Value, PasskeyRegistration)> {
        let (id, name, shown) = (user.id.uuid(), &user.username, &user.full_name);
        let begun = self.webauthn()?.start_passkey_registration(id, name, shown, Some(known));
        let (options, state) = begun.map_err(Error::internal)?;
        let mut options = serde_json::to_value(options)?;
        // To be found without a name, it must be kept on the device.
        if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection").and_then(Value::as_object_mut)
        {
            selection.insert("residentKey".to_owned(), json!("required"));
            selection.insert("requireResidentKey".to_owned(), json!(true));
        }
        Ok((inner(options), state))
    }

    /// The new passkey.
    pub(super) fn finish_registration(&self, made: &Credential, state: &PasskeyRegistration) -> Result<Passkey> {
        let wrong = || Problem::invalid("/credential", "is no passkey that was made for this; try again");
        let made: RegisterPublicKeyCredential = Deserialize::deserialize(made).map_err(|_| wrong())?;
        Ok(self.webauthn()?.finish_passkey_registration(&made, state).map_err(|_| wrong())?)
    }

    /// What the browser needs to use one of these (`PublicKeyCredentialRequestOptionsJSON`); nothing where there are none.
    pub(super) fn begin(&self, known: &[Passkey]) -> Result<Option<(Value, PasskeyAuthentication)>> {
        let Some(webauthn) = self.0.as_deref().filter(|_| !known.is_empty()) else { return Ok(None) };
        let (options, state) = webauthn.start_passkey_authentication(known).map_err(Error::internal)?;
        Ok(Some((inner(serde_json::to_value(options)?), state)))
    }

    /// The same for whichever passkey the person picks.
    pub(super) fn begin_anonymous(&self) -> Result<(Value, DiscoverableAuthentication)> {
        let (options, state) = self.webauthn()?.start_discoverable_authentication().map_err(Error::internal)?;
        Ok((inner(serde_json::to_value(options)?), state))
    }

    /// Whose it says it is, by which passkey: not proven yet.
    pub(super) fn claimed(&self, used: &Used) -> Option<(UserId, CredentialID)> {
        let (user, credential) = self.0.as_deref()?.identify_discoverable_authentication(&used.0).ok()?;
        Some((UserId::from_uuid(user), credential.to_vec()))
    }

    /// Whether one of `known` answered the challenge; which, as it is to be stored from now on.
    pub(super) fn check(&self, used: &Used, state: &PasskeyAuthentication, known: &[Passkey]) -> Option<Passkey> {
        let result = self.0.as_deref()?.finish_passkey_authentication(&used.0, state).ok()?;
        known.iter().cloned().find_map(|mut passkey| passkey.update_credential(&result).map(|_| passkey))
    }

    /// The same for a challenge of nobody in particular.
    pub(super) fn check_anonymous(
        &self,
        used: &Used,
        state: DiscoverableAuthentication,
        known: &Passkey,
    ) -> Option<Passkey> {
        let result = self.0.as_deref()?.finish_discoverable_authentication_v2(&used.0, state, known).ok()?;
        let mut passkey = known.clone();
        passkey.update_credential(&result).map(|_| passkey)
    }
}

/// What a browser answers (`PublicKeyCredential` as JSON), unread.
pub(super) type Credential = serde_json::Map<String, Value>;

/// What a browser answered with a passkey.
#[derive(Debug)]
pub(super) struct Used(PublicKeyCredential);

impl Used {
    /// # Errors
    /// 422 at `pointer`.
    pub(super) fn parse(text: &Credential, pointer: &str) -> Result<Self> {
        let read = Deserialize::deserialize(text).map(Self);
        read.map_err(|_| Problem::invalid(pointer, "is not what a browser answers with a passkey").into())
    }
}

/// The library wraps the options as the old browser interface wanted them.
fn inner(options: Value) -> Value {
    options.get("publicKey").cloned().unwrap_or(options)
}

/// Every passkey of a person.
pub(super) async fn of(tx: &mut SystemTx, user: UserId) -> Result<Vec<Passkey>> {
    let rows = sqlx::query_scalar!("select credential from passkeys where user_id = $1 order by id", user.uuid())
        .fetch_all(&mut *tx)
        .await?;
    rows.into_iter().map(|row| Ok(serde_json::from_value(row)?)).collect()
}

/// The person's passkey of this name.
pub(super) async fn of_credential(tx: &mut SystemTx, user: UserId, id: &CredentialID) -> Result<Option<Passkey>> {
    let row = sqlx::query_scalar!(
        "select credential from passkeys where user_id = $1 and credential_id = $2",
        user.uuid(),
        id.as_slice()
    )
    .fetch_optional(&mut *tx)
    .await?;
    row.map(|row| Ok(serde_json::from_value(row)?)).transpose()
}

/// Keeps the counter, and when it was used.
pub(super) async fn used(tx: &mut SystemTx, passkey: &Passkey) -> Result<()> {
    sqlx::query!(
        "update passkeys set credential = $2, last_used_at = $3 where credential_id = $1",
        passkey.cred_id().as_slice(),
        serde_json::to_value(passkey)?,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

pub(super) async fn insert(tx: &mut SystemTx, user: UserId, name: &str, passkey: &Passkey) -> Result<PasskeyView> {
    let there = sqlx::query_scalar!(r#"select count(*) as "count!" from passkeys where user_id = $1"#, user.uuid())
        .fetch_one(&mut *tx)
        .await?;
    if there >= MOST_PASSKEYS {
        return Err(Problem::conflict("you have 20 passkeys, and more are not kept; remove one first").into());
    }
    let view = PasskeyView { id: tx.new_id(), name: name.to_owned(), created_at: tx.now(), last_used_at: None };
    sqlx::query!(
        "insert into passkeys (id, user_id, credential_id, credential, name, created_at) values ($1, $2, $3, $4, $5, $6)",
        view.id.uuid(),
        user.uuid(),
        passkey.cred_id().as_slice(),
        serde_json::to_value(passkey)?,
        name,
        view.created_at
    )
    .execute(&mut *tx)
    .await
    .on_constraint("passkeys_credential_key", || Problem::conflict("this passkey is known here already"))?;
    Ok(view)
}

/// Newest first.
pub(super) async fn list(tx: &mut SystemTx, user: UserId, page: &PageQuery) -> Result<Page<PasskeyView>> {
    let before = page.after::<PasskeyId>()?;
    let rows = sqlx::query_as!(
        PasskeyView,
        r#"select id as "id: PasskeyId", name, created_at, last_used_at from passkeys
           where user_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3"#,
        user.uuid(),
        before.map(PasskeyId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows, |last| last.id)
}

pub(super) async fn delete(tx: &mut SystemTx, user: UserId, id: PasskeyId) -> Result<bool> {
    let done = sqlx::query!("delete from passkeys where user_id = $1 and id = $2", user.uuid(), id.uuid())
        .execute(&mut *tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_belong_to_a_domain() {
        for (issuer, possible) in [
            ("https://tenure.example.com", true),
            ("http://localhost:8080", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("https://192.0.2.7", false),
            ("nonsense", false),
        ] {
            assert_eq!(Passkeys::new(issuer).unwrap().are_possible(), possible, "{issuer}");
        }
    }
}
