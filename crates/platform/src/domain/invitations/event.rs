use super::model::Invitation;

tenure_kernel::actions! {
    /// What happens to invitations.
    pub InvitationEvent on Invitation = "invitation" {
        CREATED = "created", "Somebody was invited by mail to be a member.";
        SENT_AGAIN = "sent-again", "An invitation was sent again, with another link; the one before opens nothing.";
        REVOKED = "revoked", "An invitation was taken back.";
        ACCEPTED = "accepted", "Somebody became a member with the link of an invitation.";
    }
}
