//! Who acts: people, passwords, second factors, sessions, tokens. Owns `users`, `credentials`, `identities`, `sessions`,
//! `refresh_tokens`, `login_failures`, `mail_tokens`, `signing_keys`, `delegated_tokens`, `totp_factors`, `recovery_codes`, `passkeys`, `trusted_devices` and
//! `auth_challenges`, and writes the first rows of `memberships`.
//!
//! None of these tables can be reached by a tenant's transaction; everything goes through
//! [`SystemReason::Authenticate`](tenure_kernel::SystemReason).

mod attempt;
mod authenticator;
mod begin;
mod challenge;
mod by_mail;
mod change_email;
mod change_password;
mod common_passwords;
mod cookie;
mod delete_account;
pub mod delegated;
pub mod delegated_store;
mod erasure;
mod event;
mod factors;
pub(crate) mod grants;
mod http;
mod instance;
mod known;
mod letters;
mod link_store;
mod local;
mod lockout;
mod login;
mod members;
mod mfa;
mod mfa_store;
mod model;
mod new_password;
mod passkey;
mod password;
mod second;
mod second_login;
mod sessions;
mod signing;
mod signup;
mod standing;
mod step_up;
mod store;
mod suspension;
mod switch;
mod stored_password;
mod token;
mod upkeep;
mod verify_email;

pub use authenticator::TokenAuthenticator;
pub(crate) use authenticator::{invalid, suspended};
pub use erasure::{OwnData, delete_unknown_person, own_data};
pub use event::{SessionEvent, UserEvent};
pub use http::{routes, well_known};
pub use instance::routes as instance_routes;
pub use link_store::{email_reached, join};
pub use local::LocalLogin;
pub use members::{lift_wait, reset_factors, reset_factors_everywhere};
pub(crate) use model::Session;
pub use model::{Email, NewPerson, User, Username, parse_name};
pub use new_password::PasswordRules;
pub use passkey::Passkeys;
pub use password::Passwords;
pub use sessions::person as logged_in;
pub use signing::{LONGEST_TOKEN, SigningKeyEvent};
pub use signup::{Registration, create_organization};
pub use standing::{InTheWay, in_the_way, login_holds};
pub use store::{find_person, insert_membership, insert_person, user as person, username_is_taken};
pub use stored_password::is_known_hash;
pub use suspension::{PersonStatus, set_status};
pub use token::{Claims, LoginRef, REFRESH_PREFIX, Said, TokenConfig, Tokens};
pub use upkeep::sweep;
