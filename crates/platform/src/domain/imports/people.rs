//! A line that is a person: what it says, how they are added and taken back, under the rules of a single creation.

use std::sync::Arc;

use tenure_kernel::permission::TeamWrite;
use tenure_kernel::{Audited, NewEvent, Permission as _, PermissionSet, Problem, SystemTx, UserId};
use zeroize::Zeroizing;

use super::file::{ATTRIBUTE, Cells};
use super::line::{Made, keep, split};
use super::model::LineError;
use super::store::{self, Claim, Turn};
use crate::domain::access::SystemRole;
use crate::domain::identity::{Email, NewPerson, PasswordRules, Username, is_known_hash, parse_name};
use crate::domain::members::{self, Attribute, Attributes, Taken, parse_attributes};
use crate::domain::roles;
use crate::domain::teams::TeamEvent;
use crate::domain::tenancy::PasswordPolicy;

/// Somebody to be added.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) username: Username,
    pub(super) email: Email,
    pub(super) full_name: String,
    pub(super) secret: Secret,
    pub(super) roles: Vec<String>,
    /// Names of teams.
    pub(super) teams: Vec<String>,
    pub(super) attributes: Attributes,
}

/// What they log in with.
pub(super) enum Secret {
    Password(Zeroizing<String>),
    /// As another system made it.
    Hash(Arc<str>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What of a candidate is the membership's.
pub(super) struct Rest {
    pub(super) roles: Vec<String>,
    pub(super) teams: Vec<String>,
    pub(super) attributes: Attributes,
}

/// Reads a line of this organisation's; everything that is wrong with it is told at once.
pub(super) fn parse(cells: &Cells, organization: &PasswordPolicy) -> Result<Candidate, Vec<LineError>> {
    let mut errors = Vec::new();
    let username = keep(Username::parse(cells.get("username"), "/username"), &mut errors);
    let email = keep(Email::parse(cells.get("email"), "/email"), &mut errors);
    let full_name = keep(parse_name(cells.get("full_name"), "/full_name"), &mut errors);
    let rules = PasswordRules::new(cells.get("username"), cells.get("email"), cells.get("full_name"));
    let secret = keep(secret(cells, &rules.within(organization)), &mut errors);
    let separators = [';', '|', ',', ' '];
    let given: Vec<String> = split(cells.get("roles"), &separators);
    let given = if given.is_empty() { vec![SystemRole::Viewer.as_str().to_owned()] } else { given };
    let roles = keep(roles::parse_names(&given, "/roles"), &mut errors);
    let attributes = attributes(cells, &mut errors);
    if let Some(attributes) = &attributes {
        keep(parse_attributes(attributes), &mut errors);
    }
    match (username, email, full_name, secret, roles, attributes) {
        (Some(username), Some(email), Some(full_name), Some(secret), Some(roles), Some(attributes))
            if errors.is_empty() =>
        {
            let teams = split(cells.get("teams"), &[';', '|']);
            Ok(Candidate { username, email, full_name, secret, roles, teams, attributes })
        }
        _ => Err(errors),
    }
}

/// The rules of a single creation.
pub(super) async fn add(
    tx: &mut SystemTx,
    claim: &Claim,
    held: PermissionSet,
    person: &NewPerson,
    rest: Rest,
) -> tenure_kernel::Result<Audited<Made>> {
    roles::within_own(&mut *tx, claim.tenant, held, &rest.roles, &[], "/roles").await?;
    if !rest.teams.is_empty() && !held.contains(TeamWrite::NEEDS) {
        return Err(Problem::invalid("/teams", "who changes teams needs the permission team:write").into());
    }
    let added = members::add(tx, claim.tenant, person, rest.roles, rest.attributes).await?;
    let user: UserId = added.value().member.id;
    let (teams, unknown) = store::join_teams(tx, claim.tenant, user, &rest.teams).await?;
    if let Some(name) = unknown.first() {
        return Err(Problem::invalid("/teams", format!("there is no team `{name}`")).into());
    }
    let joined = teams.iter().map(|team| NewEvent::new(TeamEvent::MEMBER_ADDED, team.to_string()).detail("user", user));
    let added = joined.fold(added, |added, event| added.also(event.in_tenant(claim.tenant)));
    Ok(added.map(|added| Made { user: Some(user), made_person: added.made, ..Made::default() }))
}

/// Removes whom a line added, unless they have agreed to it since.
pub(super) async fn take_back(
    tx: &mut SystemTx,
    claim: &Claim,
    held: PermissionSet,
    turn: &Turn,
) -> tenure_kernel::Result<Audited<Option<&'static str>>> {
    let Some(user) = turn.made.user else {
        return Ok(Audited::many(Some("says of nobody that they were added"), []));
    };
    let taken = members::take_back(tx, claim.tenant, held, user, turn.made.made_person).await?;
    Ok(taken.map(|taken| match taken {
        Taken::Removed | Taken::Gone => None,
        Taken::Joined => Some("has agreed to be a member since; deactivate or offboard them"),
    }))
}

fn secret(cells: &Cells, rules: &PasswordRules) -> tenure_kernel::Result<Secret> {
    let (password, hash) = (cells.raw("password"), cells.get("password_hash"));
    match (password.is_empty(), hash.is_empty()) {
        (false, true) => rules.parse(password, "/password").map(Secret::Password),
        (true, false) if is_known_hash(hash) => Ok(Secret::Hash(hash.into())),
        (true, false) => {
            let detail = "is no hash of a kind that is known here, or one that costs too much to check";
            Err(Problem::invalid("/password_hash", detail).into())
        }
        (true, true) => Err(Problem::invalid("/password", "is missing: give a password or a password_hash").into()),
        (false, false) => Err(Problem::invalid("/password_hash", "stands beside a password; give one of them").into()),
    }
}

fn attributes(cells: &Cells, errors: &mut Vec<LineError>) -> Option<Attributes> {
    let mut all = Attributes::new();
    for (column, text) in cells.attributes() {
        let (name, kind) = column.split_once(':').unwrap_or((column, "text"));
        let value = match kind {
            "number" => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Attribute::Number),
            "flag" => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(Attribute::Flag(true)),
                "false" | "no" | "0" => Some(Attribute::Flag(false)),
                _ => None,
            },
            "list" => Some(Attribute::Texts(split(text, &[';', '|']))),
            _ => Some(Attribute::Text(text.to_owned())),
        };
        match value {
            Some(value) => drop(all.insert(name.to_owned(), value)),
            None => {
                let detail = if kind == "flag" { "must be true or false" } else { "must be a number" };
                errors.push(LineError::at(format!("{ATTRIBUTE}{column}"), detail));
            }
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] =
        [("email", "a@b"), ("username", "ann"), ("full_name", "Ann"), ("password", "a loud yellow morning")];

    fn with(further: &[(&str, &str)]) -> Cells {
        Cells::of(&[&GOOD[..], further].concat())
    }

    fn engines() -> PasswordPolicy {
        PasswordPolicy { name: "Analytical Engines".to_owned(), slug: "engines".to_owned(), min_length: Some(16) }
    }

    fn wrong(further: &[(&str, &str)]) -> Vec<String> {
        let errors = parse(&with(further), &engines()).unwrap_err();
        errors.into_iter().map(|error| error.column.unwrap_or_default()).collect()
    }

    #[test]
    fn a_line_is_a_person() {
        let line = with(&[
            ("roles", "operator, night-shift|viewer"),
            ("teams", "Field operations; Night, late"),
            ("attributes.level:number", "3.5"),
            ("attributes.remote:flag", "Yes"),
            ("attributes.regions:list", "eu; uk"),
            ("attributes.department", "Legal"),
            ("attributes.empty:number", ""),
        ]);
        let person = parse(&line, &engines()).unwrap();
        assert_eq!(person.roles, ["night-shift", "operator", "viewer"]);
        assert_eq!(person.teams, ["Field operations", "Night, late"]);
        let attributes = serde_json::to_value(&person.attributes).unwrap();
        let expected =
            serde_json::json!({"level": 3.5, "remote": true, "regions": ["eu", "uk"], "department": "Legal"});
        assert_eq!(attributes, expected);
        assert_eq!(parse(&with(&[]), &engines()).unwrap().roles, ["viewer"]);
        assert!(!format!("{person:?}").contains("yellow"));
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_column() {
        assert_eq!(
            wrong(&[("email", "nobody"), ("username", "a"), ("full_name", "")]),
            ["username", "email", "full_name"]
        );
        for password in ["short", "a loud morning", "AnalyticalEngines1843"] {
            assert_eq!(wrong(&[("password", password)]), ["password"], "{password}");
        }
        assert_eq!(wrong(&[("password", "")]), ["password"]);
        assert_eq!(wrong(&[("password_hash", "$2b$12$x")]), ["password_hash"]);
        assert_eq!(wrong(&[("password", ""), ("password_hash", "md5:x")]), ["password_hash"]);
        assert_eq!(wrong(&[("roles", "Admin")]), ["roles"]);
        assert_eq!(
            wrong(&[("attributes.a:number", "x"), ("attributes.b:flag", "maybe")]),
            ["attributes.a:number", "attributes.b:flag"]
        );
        assert_eq!(wrong(&[("attributes.A", "x")]), ["attributes"]);
    }
}
