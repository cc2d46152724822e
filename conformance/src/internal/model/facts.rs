//! What a command on a session depends on besides its thread.

use std::time::Duration;

use sessile_core::{Caller, Timestamp, id::ProjectId, model::ProjectConfig};

/// What a command needs to know besides the thread.
pub(super) struct Facts<'a> {
    pub(super) caller: &'a Caller,
    /// The command's name.
    pub(super) command: &'static str,
    pub(super) now: Timestamp,
    pub(super) caps: ProjectConfig,
    pub(super) project: ProjectId,
    pub(super) project_archived: bool,
    pub(super) max_skew: Duration,
}
