//! The names of commands and queries, as errors tell them.

use super::{SessionCommand, SessionQuery, ThreadCommand, ThreadQuery};

/// A verb in snake case for each variant.
macro_rules! names {
    ($($of:ident { $($variant:ident => $name:literal),* $(,)? })*) => {
        $(impl $of {
            /// What it does, as a verb in snake case: errors name it.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        })*
    };
}

names! {
    ThreadCommand {
        CreateProject => "create_project",
        UpdateProject => "update_project",
        ArchiveProject => "archive_project",
        ReopenProject => "reopen_project",
        DeleteProject => "delete_project",
        CreateThread => "create_thread",
        BeginThread => "begin_thread",
        UpdateThread => "update_thread",
        ArchiveThread => "archive_thread",
        ReopenThread => "reopen_thread",
        ReturnBudget => "return_budget",
        DeleteThread => "delete_thread",
        PurgeThread => "purge_thread",
        EraseEntries => "erase_entries",
        TrimFeed => "trim_feed",
        VacuumThread => "vacuum_thread",
    }
    SessionCommand {
        CreateSession => "create_session",
        UpdateSession => "update_session",
        SetStatus => "set_status",
        ReopenSession => "reopen_session",
        DeleteSession => "delete_session",
        LinkSessions => "link_sessions",
        UpdateEdge => "update_edge",
        DeleteEdge => "delete_edge",
        Append => "append",
        CopyEntries => "copy_entries",
        MergeFork => "merge_fork",
        SetContextLimit => "set_context_limit",
        StartRun => "start_run",
        SetRunStatus => "set_run_status",
        EndRun => "end_run",
        AwaitSubSessions => "await_sub_sessions",
        SweepRuns => "sweep_runs",
        BookUsage => "book_usage",
        ClaimLease => "claim_lease",
        RenewLease => "renew_lease",
        ReleaseLease => "release_lease",
        HandOff => "hand_off",
        Broadcast => "broadcast",
        ContinueAs => "continue_as",
        StepMerge => "step_merge",
        SealSummary => "seal_summary",
        ProposeCollapse => "propose_collapse",
        AcceptCollapse => "accept_collapse",
        RejectCollapse => "reject_collapse",
        ArchiveSession => "archive_session",
        RestoreSession => "restore_session",
        SetState => "set_state",
        CreateWorkspace => "create_workspace",
        ChangeFiles => "change_files",
        SnapshotWorkspace => "snapshot_workspace",
        RestoreWorkspace => "restore_workspace",
        DisposeWorkspace => "dispose_of_workspace",
    }
    ThreadQuery {
        Project => "read_project",
        ProjectByExternalId => "find_project",
        Projects => "list_projects",
        Thread => "read_thread",
        ThreadByExternalId => "find_thread",
        Threads => "list_threads",
        Timeline => "list_timeline",
        ProjectUsage => "add_up_project_usage",
    }
    SessionQuery {
        Session => "read_session",
        SessionByExternalId => "find_session",
        Sessions => "list_sessions",
        Drill => "drill",
        Children => "list_children",
        Edge => "read_edge",
        Interventions => "list_interventions",
        Entries => "list_entries",
        Entry => "read_entry",
        Context => "read_context",
        ContextSize => "measure_context",
        Expand => "expand",
        VersionAt => "find_version",
        Run => "read_run",
        RunByExternalId => "find_run",
        Runs => "list_runs",
        Usage => "add_up_usage",
        Ledger => "list_ledger",
        Lease => "read_lease",
        Resumable => "list_resumable",
        Summary => "read_summary",
        Summaries => "list_summaries",
        Collapse => "read_collapse",
        Collapses => "list_collapses",
        State => "read_state",
        Verify => "verify",
        Workspace => "read_workspace",
        Workspaces => "list_workspaces",
        InspectWorkspace => "inspect_workspace",
        Files => "list_files",
        File => "read_file",
        FilesChanged => "compare_files",
    }
}
