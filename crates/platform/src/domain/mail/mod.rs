//! Mail: messages that are written in the transaction of what they tell, and delivered after it. Owns `mail_messages`,
//! `mail_failures` and `mail_requests`.
//!
//! A message lies sealed in its row until an SMTP server took it, and is erased then. Where no server is configured, a
//! development instance shows it in its outbox, and a production one refuses what needs mail, in words that say so.

mod event;
mod http;
mod letters;
mod limit;
mod model;
mod smtp;
mod store;
mod token;
mod worker;

pub use event::MailEvent;
pub use http::routes;
pub use letters::{Letter, Words};
pub use limit::{limit, limit_of_sender, too_often};
pub use model::{MailConfig, MailKind, NewMail, Way};
pub use smtp::{Authority, Sender, SmtpUrl};
pub use store::{enqueue, sweep};
pub use token::{LinkToken, link_over};
pub use worker::Mailer;
