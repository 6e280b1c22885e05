use super::model::{Session, User};

tenure_kernel::actions! {
    /// What happens to people.
    pub UserEvent on User = "user" {
        REGISTERED = "registered", "A person registered.";
        CREATED = "created", "An administrator created a person; told on the platform's stream, because it would tell the administrator who was known before.";
        JOINED = "joined", "A person agreed to be a member of the organisation, by logging in for the first time.";
    }
}

tenure_kernel::actions! {
    /// What happens to logins.
    pub SessionEvent on Session = "session" {
        STARTED = "started", "A person logged in.";
        LOGIN_FAILED = "login-failed", "A login was refused; told to each organisation of the person. Unknown users are recorded too, on the platform's stream.";
        ENDED = "ended", "A person logged out.";
        REUSE_DETECTED = "reuse-detected", "A refresh token was used twice; the login it belongs to was ended.";
    }
}
