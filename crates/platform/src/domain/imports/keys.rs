//! A line that is an API key of another system.

use tenure_kernel::{Audited, PermissionSet, Problem, Result, SystemTx};

use super::file::Cells;
use super::line::{Made, keep, split};
use super::model::LineError;
use super::store::{Claim, Turn};
use crate::domain::api_keys::{self, Environment, ForeignKey, GivenUp, TakingOver};

/// A key to be taken over.
pub(super) type Candidate = ForeignKey;

const SEPARATORS: [char; 5] = [' ', ';', ',', '|', '\n'];

/// Puts the SHA-256 of a key in the place of the key, before anything of the line is kept: or why the key is none.
pub(super) fn hide(cells: &mut Cells) {
    if cells.fault.is_some() {
        // Its cells stand under other columns than their own, and one of them is perhaps a key.
        return cells.clear();
    }
    let text = cells.take("key");
    put_digest(cells, text.trim());
    forget_without_key(cells);
}

fn put_digest(cells: &mut Cells, key: &str) {
    if key.is_empty() {
        return;
    }
    // What is shorter stands there by chance.
    if key.len() >= 8 && cells.hold(key) {
        cells.clear();
        cells.fault = Some("has the key in another column, too".to_owned());
    } else if !cells.get("key_sha256").is_empty() {
        cells.key_fault = Some("stands beside a key_sha256; give one of them".to_owned());
    } else {
        match api_keys::digest_of_foreign(key) {
            Ok(digest) => cells.put("key_sha256", api_keys::write_digest(&digest)),
            Err(error) => cells.key_fault = error.problem().errors.into_iter().next().map(|field| field.detail),
        }
    }
}

/// No column of a file: says of a line that what it had for a hash was none.
const NO_HASH: &str = "no hash";

/// Where a line has no good key in its place, the key perhaps stands in another: nothing of the line is kept.
fn forget_without_key(cells: &mut Cells) {
    if cells.key_fault.is_some() || digest(cells).is_err() {
        let has_one = !cells.get("key_sha256").is_empty() || !cells.get(NO_HASH).is_empty();
        cells.clear();
        if has_one {
            cells.put(NO_HASH, "true".to_owned());
        }
    }
}

/// Reads a line; everything that is wrong with it is told at once, but for one without a good key: of that nothing else is there.
pub(super) fn parse(cells: &Cells) -> std::result::Result<Candidate, Vec<LineError>> {
    let mut errors = Vec::new();
    let Some(digest) = keep(digest(cells), &mut errors) else { return Err(errors) };
    let name = keep(api_keys::parse_name(cells.get("name")), &mut errors);
    let owner = keep(owner(cells.get("owner")), &mut errors);
    let scopes = keep(api_keys::parse_scopes(&split(cells.get("scopes"), &SEPARATORS)), &mut errors);
    let environment = keep(environment(cells.get("environment")), &mut errors);
    let networks = keep(api_keys::parse_networks(&split(cells.get("allowed_cidrs"), &SEPARATORS)), &mut errors);
    let expires_at = keep(moment(cells.get("expires_at")), &mut errors);
    match (name, owner, scopes, environment, networks, expires_at) {
        (Some(name), Some(owner), Some(scopes), Some(environment), Some(allowed_cidrs), Some(expires_at)) => {
            Ok(ForeignKey { name, digest, owner, scopes, environment, allowed_cidrs, expires_at })
        }
        _ => Err(errors),
    }
}

fn owner(text: &str) -> Result<String> {
    if text.is_empty() {
        let detail = "is missing: give the name of a service account, or your own user name";
        return Err(Problem::invalid("/owner", detail).into());
    }
    Ok(text.to_owned())
}

fn digest(cells: &Cells) -> Result<api_keys::KeyDigest> {
    if let Some(fault) = &cells.key_fault {
        return Err(Problem::invalid("/key", fault.clone()).into());
    }
    match cells.get("key_sha256") {
        "" if !cells.get(NO_HASH).is_empty() => api_keys::parse_digest(""),
        "" => Err(Problem::invalid("/key", "is missing: give a key or a key_sha256").into()),
        hex => api_keys::parse_digest(hex),
    }
}

fn environment(text: &str) -> Result<Environment> {
    if text.is_empty() {
        return Ok(Environment::default());
    }
    Environment::parse(text).ok_or_else(|| Problem::invalid("/environment", "must be dev, test or prod").into())
}

fn moment(text: &str) -> Result<Option<tenure_kernel::Timestamp>> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |_| Problem::invalid("/expires_at", "must be a moment with its offset, like 2030-01-01T00:00:00Z");
    Ok(Some(text.parse().map_err(invalid)?))
}

/// The rules of a single creation.
pub(super) async fn add(
    tx: &mut SystemTx,
    claim: &Claim,
    held: PermissionSet,
    key: Candidate,
) -> Result<Audited<Made>> {
    // As for a single one: who got hold of a key must not get more than it.
    let actor = claim.asker.actor;
    let login = actor.user().filter(|_| actor.session.is_some());
    let user = login.ok_or_else(|| Problem::conflict("keys are imported by a person who has logged in"))?;
    let by = TakingOver { user, held, second_factor: claim.second_factor };
    let made = api_keys::take_over(tx, claim.tenant, by, key).await?;
    Ok(made.map(|key| Made { key: Some(key), ..Made::default() }))
}

/// Removes the key that a line took over, unless it was revoked or another has taken its place.
pub(super) async fn take_back(
    tx: &mut SystemTx,
    claim: &Claim,
    held: PermissionSet,
    turn: &Turn,
) -> Result<Audited<Option<&'static str>>> {
    let Some(key) = turn.made.key else {
        return Ok(Audited::many(Some("says of no key that it was taken over"), []));
    };
    let given_up = api_keys::give_up(tx, claim.tenant, claim.asker.actor.user(), held, key).await?;
    Ok(given_up.map(|given_up| match given_up {
        GivenUp::Removed | GivenUp::Gone => None,
        GivenUp::Rotated => Some("was rotated since; revoke it and the key that took its place"),
        GivenUp::Revoked => Some("was revoked, for good"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk_live_51HG7abzYq0Wn3Rd8KfTcVx2";

    fn line(further: &[(&str, &str)]) -> Cells {
        let good = [("name", "Nightly"), ("owner", "mover"), ("scopes", "workflow:read execution:*")];
        let mut cells = Cells::of(&[&good[..], further].concat());
        hide(&mut cells);
        cells
    }

    fn wrong(further: &[(&str, &str)]) -> Vec<String> {
        let errors = parse(&line(further)).unwrap_err();
        errors.into_iter().map(|error| error.column.unwrap_or_default()).collect()
    }

    #[test]
    fn a_line_is_a_key_and_holds_it_no_more() {
        let cells = line(&[("key", KEY), ("allowed_cidrs", "192.0.2.7/24"), ("expires_at", "2030-01-01T00:00:00Z")]);
        assert!(!cells.hold(KEY));
        let key = parse(&cells).unwrap();
        assert_eq!((key.name.as_str(), key.owner.as_str()), ("Nightly", "mover"));
        assert_eq!(key.digest, api_keys::digest_of_foreign(KEY).unwrap());
        assert_eq!((key.allowed_cidrs, key.environment), (vec!["192.0.2.0/24".to_owned()], Environment::Dev));
        let by_hash = parse(&line(&[("key_sha256", cells.get("key_sha256"))])).unwrap();
        assert_eq!(by_hash.digest, key.digest);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_column() {
        assert_eq!(wrong(&[]), ["key"]);
        assert_eq!(wrong(&[("key", "4711")]), ["key"]);
        assert_eq!(wrong(&[("key", KEY), ("key_sha256", &"0".repeat(64))]), ["key"]);
        assert_eq!(wrong(&[("key_sha256", "md5")]), ["key_sha256"]);
        assert_eq!(
            wrong(&[
                ("key", KEY),
                ("name", ""),
                ("owner", ""),
                ("scopes", "workflow:raed"),
                ("environment", "live"),
                ("allowed_cidrs", "here"),
                ("expires_at", "soon")
            ]),
            ["name", "owner", "scopes", "environment", "allowed_cidrs", "expires_at"]
        );
    }

    #[test]
    fn a_key_in_the_wrong_place_stays_nowhere() {
        let twice = line(&[("key", KEY), ("name", KEY)]);
        assert!(twice.fault.is_some() && !twice.hold(KEY));
        let mut shifted = Cells::of(&[("name", KEY), ("key", "")]);
        shifted.fault = Some("has 2 cells where the header has 3".to_owned());
        hide(&mut shifted);
        assert!(!shifted.hold(KEY));
        // Columns that were mixed up: what stands in the key's place is none.
        for (place, column) in
            [("name", "key"), ("scopes", "key"), ("name", "key_sha256"), ("key_sha256", "key_sha256")]
        {
            let mut mixed = line(&[(column, "Nightly"), (place, KEY)]);
            assert!(!mixed.hold(KEY) && !mixed.hold("Nightly"), "{place}");
            assert_eq!(parse(&mixed).unwrap_err()[0].column.as_deref(), Some(column), "{place}");
            hide(&mut mixed);
            assert_eq!(parse(&mixed).unwrap_err().len(), 1, "{place}");
        }
    }
}
