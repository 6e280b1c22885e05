//! `/api/v1/secrets`

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use tenure_kernel::extract::PathName;
use tenure_kernel::permission::{SecretRead, SecretWrite};
use tenure_kernel::{
    Audited, Authorized, Change, Json, NoContent, OnConstraint as _, Page, PageQuery, Path, Problem, Query, Result,
    Sample, TeamId, WorkflowId,
};
use tenure_seal::SecretString;
use utoipa::ToSchema;

use super::event::SecretEvent;
use super::model::{Secret, SecretDescription, SecretName, SecretValue};
use super::store;
use crate::app::Routes;
use crate::domain::teams::TeamChoice;

/// More workflows than this do not share one secret.
const MAX_GRANTS: usize = 1000;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Secrets")
        .get("/secrets", list, "List secrets, by name.\n\nNames, versions and grants; no route shows a value.")
        .put("/secrets/{name}", set, "Create a secret, or give it a new value.\n\nThe old value is gone at once: steps that begin later send the new one. Grants stay.")
        .delete("/secrets/{name}", delete, "Delete a secret.\n\nIts grants go with it; steps that need it fail from then on.")
        .put("/secrets/{name}/team", set_team, "Make a secret private to one of your teams, or everybody's.\n\nWhat is private to a team does not exist for those outside it, and only workflows that are private to the same team can use it: grants to others end.")
        .put("/secrets/{name}/grants", set_grants, "Set which workflows may use a secret.\n\nReplaces all its grants. Without one no workflow can use it.")
}

/// The new value of a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewValue {
    /// 4 bytes to 64 KiB of text without NUL. Never shown again.
    #[serde(deserialize_with = "secret_text")]
    #[schema(value_type = String, format = Password, min_length = 4, max_length = 65536)]
    value: SecretString,
    /// What it is for; at most 500 characters. Without it the old description stays.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// One of your teams, for a new secret that is private to it.
    team_id: Option<TeamId>,
}

/// The deserializer's own message would quote what stands there instead of a text.
fn secret_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    SecretString::deserialize(deserializer).map_err(|_| serde::de::Error::custom("must be a text"))
}

impl Sample for NewValue {
    fn sample() -> serde_json::Value {
        serde_json::json!({"value": "correct horse battery staple", "description": "Token of the ticket system"})
    }
}

/// Which workflows may use a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrants {
    /// All of them; at most 1,000.
    #[schema(max_items = 1000)]
    workflow_ids: Vec<WorkflowId>,
}

impl Sample for NewGrants {
    fn sample() -> serde_json::Value {
        serde_json::json!({"workflow_ids": []})
    }
}

async fn list(cx: Authorized<SecretRead>, Query(page): Query<PageQuery>) -> Result<Json<Page<Secret>>> {
    cx.read(async |tx| store::list(tx, &page).await).await.map(Json)
}

async fn set(
    cx: Authorized<SecretWrite>,
    Path(name): Path<PathName>,
    Json(new): Json<NewValue>,
) -> Result<Json<Secret>> {
    let name = SecretName::parse(&name.0)?;
    let value = SecretValue::parse(new.value)?;
    let description = new.description.as_deref().map(SecretDescription::parse).transpose()?;
    let secret = cx
        .write(async |tx| {
            tx.own_team(new.team_id, "/team_id")?;
            let change = store::set(tx, &name, &value, description.as_ref(), new.team_id).await?;
            let created = matches!(change, Change::Created(_));
            Ok(change.audited(if created { SecretEvent::CREATED } else { SecretEvent::REPLACED }))
        })
        .await;
    secret.on_constraint("secrets_name_key", created_meanwhile).map(Json)
}

async fn delete(cx: Authorized<SecretWrite>, Path(name): Path<PathName>) -> Result<NoContent> {
    let name = existing(&name)?;
    cx.write(async |tx| {
        let secret = tx.load::<Secret>(name).await?;
        Ok(store::delete(tx, secret).await?.audited(SecretEvent::DELETED).map(drop))
    })
    .await?;
    Ok(NoContent)
}

async fn set_team(
    cx: Authorized<SecretWrite>,
    Path(name): Path<PathName>,
    Json(change): Json<TeamChoice>,
) -> Result<Json<Secret>> {
    let name = existing(&name)?;
    let secret = cx
        .write(async |tx| {
            let secret = tx.load::<Secret>(name).await?;
            tx.own_team(change.team_id, "/team_id")?;
            if secret.team_id == change.team_id {
                return Ok(Audited::none("it was so before", secret.into_inner()));
            }
            Ok(store::set_team(tx, secret, change.team_id).await?.audited(SecretEvent::MOVED))
        })
        .await?;
    Ok(Json(secret))
}

async fn set_grants(
    cx: Authorized<SecretWrite>,
    Path(name): Path<PathName>,
    Json(new): Json<NewGrants>,
) -> Result<Json<Secret>> {
    let name = existing(&name)?;
    if new.workflow_ids.len() > MAX_GRANTS {
        return Err(Problem::invalid("/workflow_ids", format!("must be at most {MAX_GRANTS}")).into());
    }
    let workflows: BTreeSet<WorkflowId> = new.workflow_ids.into_iter().collect();
    let secret = cx
        .write(async |tx| {
            let secret = tx.load::<Secret>(name).await?;
            Ok(store::set_grants(tx, secret, &workflows).await?.audited(SecretEvent::GRANTED))
        })
        .await;
    let unknown = || Problem::invalid("/workflow_ids", "one of them is no workflow of this organisation");
    secret.on_constraint("secret_grants_workflow_fkey", unknown).map(Json)
}

/// A name that no secret can have is one that is not there.
fn existing(name: &PathName) -> Result<SecretName> {
    SecretName::parse(&name.0).map_err(|_| Problem::not_found().into())
}

fn created_meanwhile() -> Problem {
    Problem::conflict("somebody created a secret of this name at the same time; try again")
}
