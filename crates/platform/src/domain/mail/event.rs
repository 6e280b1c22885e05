use super::model::MailMessage;

tenure_kernel::actions! {
    /// What happens to messages.
    pub MailEvent on MailMessage = "mail" {
        FAILED = "failed", "A message could not be delivered and was given up; told to each organisation that it concerns, without its content.";
    }
}
