//! What is done for a line of each kind: it is read, carried out and taken back. The rest of an import is the same for all.

use tenure_kernel::permission::{ApiKeyWrite, RoleAssign, RoleWrite, ServiceAccountWrite, UserWrite};
use tenure_kernel::{Audited, KeyId, Permission as _, PermissionSet, Problem, Result, SystemTx, Timestamp, UserId};

use super::file::{ATTRIBUTE, Cells};
use super::model::{ImportKind, LineError};
use super::store::{Claim, Turn};
use super::{keys, people, roles};
use crate::domain::identity::NewPerson;
use crate::domain::tenancy::PasswordPolicy;

/// What stands in a line, by its kind.
#[derive(Debug)]
pub(super) enum Candidate {
    Person(people::Candidate),
    Role(roles::Candidate),
    Key(keys::Candidate),
}

/// The same, with all that takes long done.
pub(super) enum Ready {
    Person(NewPerson, people::Rest),
    Role(roles::Candidate),
    Key(keys::Candidate),
}

/// What a line made, as far as taking it back asks for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Made {
    pub(super) user: Option<UserId>,
    /// Nobody knew the person before.
    pub(super) made_person: bool,
    pub(super) key: Option<KeyId>,
    /// When its role was made.
    pub(super) at: Option<Timestamp>,
}

impl ImportKind {
    /// What whoever asked for an import must hold when a line's turn comes: as much as for a single one.
    pub(super) const fn needs(self) -> PermissionSet {
        match self {
            Self::Users => UserWrite::NEEDS.union(RoleAssign::NEEDS),
            Self::Roles => RoleWrite::NEEDS,
            Self::ApiKeys => ApiKeyWrite::NEEDS.union(ServiceAccountWrite::NEEDS),
        }
    }
}

/// Reads a line; everything that is wrong with it is told at once.
pub(super) fn parse(
    kind: ImportKind,
    cells: &Cells,
    organization: &PasswordPolicy,
) -> Result<Candidate, Vec<LineError>> {
    if let Some(fault) = &cells.fault {
        return Err(vec![LineError::whole(fault.clone())]);
    }
    match kind {
        ImportKind::Users => people::parse(cells, organization).map(Candidate::Person),
        ImportKind::Roles => roles::parse(cells).map(Candidate::Role),
        ImportKind::ApiKeys => keys::parse(cells).map(Candidate::Key),
    }
}

/// Carries a line out, under the rules of a single creation by who holds `held` now.
pub(super) async fn add(tx: &mut SystemTx, claim: &Claim, held: PermissionSet, ready: Ready) -> Result<Audited<Made>> {
    match ready {
        Ready::Person(person, rest) => people::add(tx, claim, held, &person, rest).await,
        Ready::Role(role) => roles::add(tx, claim, held, role).await,
        Ready::Key(key) => keys::add(tx, claim, held, key).await,
    }
}

/// Takes back what a line made; or why it stays.
pub(super) async fn take_back(
    tx: &mut SystemTx,
    claim: &Claim,
    held: PermissionSet,
    turn: &Turn,
) -> Result<Audited<Option<&'static str>>> {
    match claim.kind {
        ImportKind::Users => people::take_back(tx, claim, held, turn).await,
        ImportKind::Roles => roles::take_back(tx, claim, held, turn).await,
        ImportKind::ApiKeys => keys::take_back(tx, claim, held, turn).await,
    }
}

pub(super) fn split(text: &str, separators: &[char]) -> Vec<String> {
    text.split(separators).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

pub(super) fn keep<T>(parsed: tenure_kernel::Result<T>, errors: &mut Vec<LineError>) -> Option<T> {
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
