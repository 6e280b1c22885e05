//! The cross-tenant door for what is written thousands of times a second and carries no event.

use sqlx::Executor as _;

use crate::database::Connection;
use crate::error::Result;
use crate::executor::execute_through;
use crate::kernel::Kernel;
use crate::system_tx::SystemReason;

/// A connection that stays in one narrow role. Each statement on it is a transaction of its own: one round trip where
/// [`System::run`](crate::System::run) takes a beginning, a statement and a commit.
#[derive(Debug)]
pub struct Statements {
    kernel: Kernel,
    reason: SystemReason,
    connection: Option<Statement>,
}

/// The connection, for the time of one statement. It is a sqlx executor.
#[derive(Debug)]
pub struct Statement {
    connection: Box<Connection>,
}

execute_through!([] Statement, connection);

impl Kernel {
    /// Statements across tenants, for this reason. The second says, for readers of the code, why none has an event, as
    /// [`Audited::none`](crate::Audited::none) does; a test counts both.
    #[must_use]
    pub fn statements(&self, reason: SystemReason, _without_event: &'static str) -> Statements {
        Statements { kernel: self.clone(), reason, connection: None }
    }
}

impl Statements {
    /// Runs one statement; it is durable when this returns.
    ///
    /// After a failure, or when the caller goes away meanwhile, the connection is closed and the next call opens another: in
    /// which state it was left is then nobody's question.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn run<T>(&mut self, f: impl AsyncFnOnce(&mut Statement) -> Result<T>) -> Result<T> {
        let mut statement = match self.connection.take() {
            Some(statement) => statement,
            None => self.open().await?,
        };
        let value = f(&mut statement).await?;
        self.connection = Some(statement);
        Ok(value)
    }

    async fn open(&self) -> Result<Statement> {
        let mut connection = Box::new(self.kernel.system_pool().acquire().await?.detach());
        connection.execute(self.reason.stay()).await?;
        Ok(Statement { connection })
    }
}
