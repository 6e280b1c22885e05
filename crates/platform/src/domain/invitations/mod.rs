//! Invitations by mail: somebody is asked to be a member, with roles and teams, and becomes one with the link that they were
//! sent. Owns `invitations`.
//!
//! The link is the consent, and shows that the address is its reader's. Nobody invites with roles that they do not hold, and a
//! link opens nothing any more once who sent it could not send it now.

mod accept;
mod event;
mod given;
mod http;
mod letter;
mod model;
mod store;
mod upkeep;

pub use event::InvitationEvent;
pub use http::routes;
pub use model::{Invitation, InvitationState};
pub use upkeep::sweep;
