//! What a line says of a person, under the rules of a single creation.

use std::sync::Arc;

use tenure_kernel::Problem;
use zeroize::Zeroizing;

use super::file::{ATTRIBUTE, Cells};
use super::model::LineError;
use crate::domain::access::SystemRole;
use crate::domain::identity::{Email, PasswordRules, Username, is_known_hash, parse_name};
use crate::domain::members::{Attribute, Attributes, parse_attributes};
use crate::domain::roles;
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

/// Reads a line of this organisation's; everything that is wrong with it is told at once.
pub(super) fn parse(cells: &Cells, organization: &PasswordPolicy) -> Result<Candidate, Vec<LineError>> {
    if let Some(fault) = &cells.fault {
        return Err(vec![LineError::whole(fault.clone())]);
    }
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

fn split(text: &str, separators: &[char]) -> Vec<String> {
    text.split(separators).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn keep<T>(parsed: tenure_kernel::Result<T>, errors: &mut Vec<LineError>) -> Option<T> {
    parsed.map_err(|error| errors.extend(told(&error.problem()))).ok()
}

/// A problem in the words of a line: the pointers of a body are the names of columns.
pub(super) fn told(problem: &Problem) -> Vec<LineError> {
    if problem.errors.is_empty() {
        return vec![LineError::whole(problem.detail.to_string())];
    }
    let told = problem.errors.iter().map(|field| {
        let pointer = field.pointer.trim_start_matches('/');
        let column = match pointer.split_once('/') {
            Some(("attributes", name)) => format!("{ATTRIBUTE}{name}"),
            Some((column, _)) => column.to_owned(),
            None => pointer.to_owned(),
        };
        LineError::at(column, field.detail.clone())
    });
    told.collect()
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
