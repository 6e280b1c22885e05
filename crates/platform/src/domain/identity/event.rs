use tenure_kernel::context::SystemPart;
use tenure_kernel::{Actor, Audited, Change};

use super::model::{Session, User};

tenure_kernel::actions! {
    /// What happens to people.
    pub UserEvent on User = "user" {
        REGISTERED = "registered", "A person registered.";
        CREATED = "created", "An administrator created a person; told on the platform's stream, because it would tell the administrator who was known before.";
        PASSWORD_CHANGED = "password-changed", "A person changed their password; their other logins were ended.";
        PASSWORD_CHANGE_FAILED = "password-change-failed", "A person, or somebody with their access token, gave a wrong current password; it counts like a failed login.";
        PASSWORD_REHASHED = "password-rehashed", "A person logged in with a password that was hashed by another system; it is the same, under this one's own hash.";
        FACTOR_ADDED = "factor-added", "A person set up a second factor: an app's codes or a passkey.";
        FACTOR_REMOVED = "factor-removed", "A person removed a second factor.";
        RECOVERY_CODES_MADE = "recovery-codes-made", "A person got new recovery codes; the earlier ones work no more.";
        RECOVERY_CODE_USED = "recovery-code-used", "A person proved who they are with a recovery code, which works no more.";
        DEVICE_TRUSTED = "device-trusted", "A person trusted a device: logins from it ask for no second factor for a while.";
        DEVICE_FORGOTTEN = "device-forgotten", "A person trusts a device no more.";
        MFA_RESET = "mfa-reset", "An administrator, or the operator on the server's machine, removed a person's second factors and ended their logins.";
        PASSWORD_RESET_REQUESTED = "password-reset-requested", "Somebody asked for a link that sets a new password; told on the platform's stream where the address is nobody's.";
        PASSWORD_RESET = "password-reset", "A person set a new password with a link that was sent to them; all their logins were ended.";
        UNLOCK_REQUESTED = "unlock-requested", "Somebody asked for a link that ends the wait after failed logins; told on the platform's stream where the address is nobody's.";
        UNLOCKED = "unlocked", "The wait after failed logins was ended: with a link that was sent to the person, or by an administrator.";
        VERIFICATION_REQUESTED = "verification-requested", "A person asked for a link that shows that their address is theirs.";
        EMAIL_VERIFIED = "email-verified", "Mail to the person's address reached them.";
        EMAIL_CHANGE_REQUESTED = "email-change-requested", "A person wants another address; it changes when a link that was sent there is opened.";
        EMAIL_CHANGED = "email-changed", "A person's address was changed.";
        JOINED = "joined", "A person agreed to be a member of the organisation: by logging in for the first time, or by going there.";
        EXPORTED = "exported", "A person saved everything that names them.";
        DELETED = "deleted", "A person deleted their account: their names are gone from the installation, their memberships, sessions and keys are over.";
        REMOVED = "removed", "A person whom an import had made, and whom nobody else knows, was removed when it was undone; told on the platform's stream.";
        SUSPENDED = "suspended", "The platform suspended a person in every organisation; told to each of theirs, and with the reason on the platform's stream.";
        RESUMED = "resumed", "The platform let a suspended person go on; told as the suspension was.";
        DECLINED = "declined", "A person declined to be a member of the organisation.";
    }
}

tenure_kernel::actions! {
    /// What happens to logins.
    pub SessionEvent on Session = "session" {
        STARTED = "started", "A person logged in.";
        LOGIN_FAILED = "login-failed", "A login was refused; told to each organisation of the person. Unknown users are recorded too, on the platform's stream.";
        ENDED = "ended", "A login ended: its person logged out, ended it from elsewhere, or changed their password.";
        STEPPED_UP = "stepped-up", "A person who is logged in proved again who they are.";
        STEP_UP_FAILED = "step-up-failed", "A person, or somebody with their access token, did not prove who they are; it counts like a failed login of those who are logged in.";
        REUSE_DETECTED = "reuse-detected", "A refresh token was used twice; the login it belongs to was ended.";
    }
}

/// A login that began. Its event says on whose behalf, as those of refused ones do: by that the history of a person's
/// logins is found.
pub(super) fn started(begun: Change<Session>) -> Audited<Session> {
    let started = begun.audited(SessionEvent::STARTED);
    let user = started.value().user;
    started.by(Actor { on_behalf_of: Some(user), ..Actor::system(SystemPart::Identity) })
}
