//! A line that is a role.

use tenure_kernel::{Audited, PermissionSet, Result, SystemTx};

use super::file::Cells;
use super::line::{Made, keep, split};
use super::model::LineError;
use super::store::{Claim, Turn};
use crate::domain::roles::{self, Wanted};

/// A role to be made.
pub(super) type Candidate = Wanted;

/// Reads a line; everything that is wrong with it is told at once.
pub(super) fn parse(cells: &Cells) -> std::result::Result<Candidate, Vec<LineError>> {
    let mut errors = Vec::new();
    let name = keep(roles::parse_new_name(cells.get("name")), &mut errors);
    let description = keep(roles::parse_description(cells.get("description")), &mut errors);
    let permissions = split(cells.get("permissions"), &[' ', ';', ',', '|', '\n']);
    let permissions = keep(roles::parse_kept(&permissions), &mut errors);
    match (name, description, permissions) {
        (Some(name), Some(description), Some(permissions)) => {
            Ok(Wanted { name, description: description.to_owned(), permissions })
        }
        _ => Err(errors),
    }
}

/// The rules of a single creation.
pub(super) async fn add(
    tx: &mut SystemTx,
    claim: &Claim,
    held: PermissionSet,
    role: Candidate,
) -> Result<Audited<Made>> {
    let made = roles::make(tx, claim.tenant, held, role).await?;
    Ok(made.map(|role| Made { at: role.created_at, ..Made::default() }))
}

/// Deletes the role that a line made, unless somebody has it.
pub(super) async fn take_back(
    tx: &mut SystemTx,
    claim: &Claim,
    held: PermissionSet,
    turn: &Turn,
) -> Result<Audited<Option<&'static str>>> {
    let Some(made_at) = turn.made.at else {
        return Ok(Audited::many(Some("says of no role that it was made"), []));
    };
    let taken = roles::take_back(tx, claim.tenant, held, &turn.name, made_at).await?;
    // One that somebody deleted meanwhile is as good as taken back.
    Ok(taken.map(|_was_there| None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_role() {
        let role = parse(&Cells::of(&[
            ("name", "night-shift"),
            ("description", "Keeps things running"),
            ("permissions", "workflow:read  execution:*;team:read"),
        ]))
        .unwrap();
        assert_eq!((role.name.as_str(), role.description.as_str()), ("night-shift", "Keeps things running"));
        assert_eq!(role.permissions, ["execution:*", "team:read", "workflow:read"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_column() {
        let wrong = |name: &str, permissions: &str| {
            let errors = parse(&Cells::of(&[("name", name), ("permissions", permissions)])).unwrap_err();
            errors.into_iter().map(|error| error.column.unwrap_or_default()).collect::<Vec<_>>()
        };
        assert_eq!(wrong("Night Shift", "workflow:raed"), ["name", "permissions"]);
        assert_eq!(wrong("admin", "workflow:read"), ["name"]);
    }
}
