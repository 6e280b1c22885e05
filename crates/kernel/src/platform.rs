//! What platform administrators may do, and the proof of it: the first argument of their handlers.
//!
//! These permissions are an enum of their own. No role of an organisation holds one, whatever its wildcards cover; a person has
//! them by an entry that is made on the server's machine (`tenure platform-admin create`), and only with a login of their own: no
//! key and no delegated token carries them.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

use crate::authorized::{Asked, admit, step_up};
use crate::context::{Actor, Context, Identity};
use crate::error::{Code, Error, Problem, Result};
use crate::event::Audited;
use crate::id::{TenantId, UserId};
use crate::kernel::Kernel;
use crate::permission::{Access, PermissionSet, Read, Recent};
use crate::record::{self, PLATFORM_TENANT};
use crate::system_tx::{SystemReason, SystemTx};
use crate::tenant_tx::TenantTx;

macro_rules! platform_permissions {
    ($($name:ident = $text:literal, $doc:literal;)*) => {
        /// One permission of platform administrators, as a value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PlatformPermission { $(#[doc = $doc] $name),* }

        impl PlatformPermission {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// `platform:resource:action`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What its holder may do, for a person.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $doc),* }
            }
        }

        /// The same as types.
        pub mod platform_permission {
            $(
                #[doc = $doc]
                #[derive(Debug)]
                pub enum $name {}
                impl super::PlatformRight for $name {
                    const NEEDS: super::PlatformPermission = super::PlatformPermission::$name;
                }
            )*
        }
    };
}

platform_permissions! {
    OrganizationRead    = "platform:organization:read",    "See all organisations: plan, status, quotas and use, nothing of what is in them.";
    OrganizationSuspend = "platform:organization:suspend", "Suspend organisations, and let them go on.";
    OrganizationPlan    = "platform:organization:plan",    "Change an organisation's plan.";
    OrganizationQuota   = "platform:organization:quota",   "Give an organisation another limit than its plan's, and other rate limits than the installation's.";
    PersonRead          = "platform:person:read",          "Find people by name or address: whether they are suspended and have a second factor, and in how many organisations they are.";
    PersonSuspend       = "platform:person:suspend",       "Suspend people in every organisation, and let them go on.";
    EventRead           = "platform:event:read",           "Read the platform's own part of the audit log: who administers it, whom it suspended and why, what was refused to who was not logged in.";
}

/// A permission of platform administrators as a type.
pub trait PlatformRight: Send + Sync + 'static {
    /// Which.
    const NEEDS: PlatformPermission;
    /// Whether a factor must have been proven just before ([`Recent`]).
    const STEP_UP: bool = false;
}

impl<R: PlatformRight> PlatformRight for Recent<R> {
    const NEEDS: PlatformPermission = R::NEEDS;
    const STEP_UP: bool = true;
}

/// The caller is a platform administrator who logged in.
pub struct PlatformAuthorized<R> {
    kernel: Kernel,
    cx: Arc<Context>,
    right: PhantomData<fn() -> R>,
}

impl<R> std::fmt::Debug for PlatformAuthorized<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformAuthorized").finish_non_exhaustive()
    }
}

impl<R: PlatformRight> PlatformAuthorized<R> {
    /// Who acts, as organisations read of it: which login it was is not for them to know.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { session: None, ..*self.cx.actor() }
    }

    /// What the process shares.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The organisation of the login that they act with.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.cx.tenant()
    }

    /// Records the refusal, if the error is one: for what a handler refuses outside a transaction.
    pub async fn refused(&self, error: Error) -> Error {
        self.kernel.refused(Some(self.cx.tenant()), self.cx.actor(), &self.cx.origin, error).await
    }

    /// Works on organisations as such, in the platform's narrow role, by this caller.
    ///
    /// # Errors
    /// Those of `f`, and PostgreSQL's; then nothing was written but, for a refusal, its event.
    pub async fn run<T>(&self, f: impl AsyncFnOnce(&mut SystemTx) -> Result<Audited<T>>) -> Result<T> {
        self.run_for(SystemReason::Administer, f).await
    }

    /// Works on people, in the role that tells who they are, by this caller.
    ///
    /// # Errors
    /// As [`PlatformAuthorized::run`].
    pub async fn run_on_people<T>(&self, f: impl AsyncFnOnce(&mut SystemTx) -> Result<Audited<T>>) -> Result<T> {
        self.run_for(SystemReason::ManagePeople, f).await
    }

    async fn run_for<T>(
        &self,
        reason: SystemReason,
        f: impl AsyncFnOnce(&mut SystemTx) -> Result<Audited<T>>,
    ) -> Result<T> {
        let system = self.kernel.system(reason).by(self.actor()).from(&self.cx.origin);
        match system.run(f).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.refused(error).await),
        }
    }
}

impl PlatformAuthorized<platform_permission::EventRead> {
    /// Reads the platform's own part of the audit log, and writes there what tells of the reading. It is kept as an organisation's is,
    /// so it is read through the same door, which leads to these rows alone.
    ///
    /// # Errors
    /// Those of `f`, and PostgreSQL's.
    pub async fn read_log<T>(&self, f: impl AsyncFnOnce(&mut TenantTx<Read>) -> Result<Audited<T>>) -> Result<T> {
        let identity = Identity {
            tenant: PLATFORM_TENANT,
            actor: self.actor(),
            permissions: PermissionSet::NONE,
            teams: Arc::default(),
            ..Identity::clone(&self.cx.identity)
        };
        let cx = Arc::new(Context { identity: Arc::new(identity), origin: self.cx.origin.clone() });
        let mut tx = TenantTx::<Read>::begin_as(&self.kernel, &cx, Access::Write).await?;
        match f(&mut tx).await {
            Ok(audited) => {
                record::tenant(&mut tx, audited.events).await?;
                tx.transaction.commit().await?;
                Ok(audited.value)
            }
            Err(error) => {
                drop(tx);
                Err(self.refused(error).await)
            }
        }
    }
}

/// What this person may do for the platform, in the role that tells who people are: all of it, or nothing.
///
/// # Errors
/// PostgreSQL's.
pub async fn held(tx: &mut SystemTx, user: UserId) -> Result<&'static [PlatformPermission]> {
    let known = sqlx::query_scalar("select exists (select from platform_admins where user_id = $1)");
    let known: bool = known.bind(user.uuid()).fetch_one(&mut *tx).await?;
    Ok(if known { PlatformPermission::ALL } else { &[] })
}

/// Asked each time: these requests are few, and whoever was removed has lost it at once.
async fn holds(kernel: &Kernel, user: UserId, permission: PlatformPermission) -> Result<bool> {
    let system = kernel.system(SystemReason::Authenticate);
    let held = system
        .run(async |tx| Ok(Audited::none("asks whether somebody administers the platform", held(tx, user).await?)))
        .await?;
    Ok(held.contains(&permission))
}

impl<S, R> FromRequestParts<S> for PlatformAuthorized<R>
where
    S: Send + Sync,
    Kernel: FromRef<S>,
    R: PlatformRight,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let kernel = Kernel::from_ref(state);
        let (identity, info) = admit(parts, &kernel, Asked::login()).await?;
        let login = identity.actor.session.and(identity.actor.user());
        let holds = match login {
            Some(user) => holds(&kernel, user, R::NEEDS).await?,
            None => false,
        };
        if !holds {
            let problem = Problem::new(Code::PermissionDenied, "this is for administrators of the platform");
            let error = problem.with("permission", R::NEEDS.as_str()).into();
            let error = kernel.refused(Some(identity.tenant), &identity.actor, &info.origin, error).await;
            // Whoever does not administer the platform learns nothing of which organisations there are.
            let told = error.problem().code == Code::PermissionDenied;
            return Err(if told { Problem::not_found().into() } else { error });
        }
        if R::STEP_UP && !identity.assurance.is_recent(kernel.clock().now()) {
            let error = step_up(&identity.assurance).into();
            return Err(kernel.refused(Some(identity.tenant), &identity.actor, &info.origin, error).await);
        }
        Ok(Self { kernel, cx: Arc::new(Context { identity, origin: info.origin }), right: PhantomData })
    }
}
