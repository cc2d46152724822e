//! Sessions that are over, and go to an archive.

use super::{Handle, only};
use crate::{
    command::{Archiving, SessionCommand, SessionOutcome},
    error::Result,
    id::{ArchiveId, SessionId, Version},
};

impl Handle {
    /// Archives a session that is idle or failed; again it answers the same archive. See [`SessionCommand::ArchiveSession`].
    pub async fn archive_session(
        &self,
        session: SessionId,
        archiving: Archiving,
    ) -> Result<ArchiveId> {
        let command = SessionCommand::ArchiveSession { session, archiving };
        self.apply(command, only!(SessionOutcome::Archived(archive) => archive)).await
    }

    /// Makes an archived session what it was. See [`SessionCommand::RestoreSession`].
    pub async fn restore_session(&self, session: SessionId) -> Result<Version> {
        let command = SessionCommand::RestoreSession { session };
        self.apply(command, only!(SessionOutcome::Changed(version) => version)).await
    }
}
