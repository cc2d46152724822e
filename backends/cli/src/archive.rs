//! `sessile archive`, `restore`, `retention` and `bundles`: sessions that are over.

use clap::{Args, Subcommand};
use serde::Serialize;
use sessile::{
    Store,
    archive::{ArchiveBackends, CollectBundles, CollectOutcome, Retain, RetainOutcome},
    command::Archiving,
    handle::Handle,
    id::{ArchiveId, SessionId, Version},
};

use crate::{
    Status,
    address::{self, Scope},
    fail::{Fail, Result},
    find,
    report::{Align, Out, Table, clean},
};

/// The commands.
#[derive(Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Archive sessions that are over: they take nothing more, and are read as before
    Archive {
        /// The store
        store: String,
        /// Their ids, or endings of them
        #[arg(required = true)]
        sessions: Vec<String>,
        /// The name of the archive; without it the one that the project names, or the only one that is given
        #[arg(long)]
        to: Option<String>,
        /// Take what they say out of the store, until they are restored; also of sessions that are archived already
        #[arg(long)]
        evict: bool,
        #[command(flatten)]
        archives: Archives,
    },
    /// Make archived sessions what they were
    Restore {
        /// The store
        store: String,
        /// Their ids, or endings of them
        #[arg(required = true)]
        sessions: Vec<String>,
        #[command(flatten)]
        archives: Archives,
    },
    /// Archive the sub-sessions that the projects keep no longer
    Retention {
        /// The store
        store: String,
        /// Only say what would be archived
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        archives: Archives,
    },
    /// Remove bundles that belong to nothing: their sessions were restored or deleted, or a crash left them
    Bundles {
        /// The store
        store: String,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        archives: Archives,
    },
}

/// The archives of a store.
#[derive(Args)]
pub(crate) struct Archives {
    /// An archive: its name, and where it is: a folder, file://FOLDER, s3://BUCKET/PREFIX, gs:// or az://
    #[arg(long = "archive", value_name = "NAME=ADDRESS", required = true)]
    archives: Vec<String>,
}

/// The archives that are given as NAME=ADDRESS.
pub(crate) async fn open(given: &[String]) -> Result<ArchiveBackends> {
    let mut archives = ArchiveBackends::default();
    for given in given {
        let (name, address) = given.split_once('=').ok_or_else(|| {
            Fail::input(format!("{} is no archive: write NAME=ADDRESS", clean(given)))
        })?;
        archives = archives.with(name, sessile::open_archive(address).await?)?;
    }
    Ok(archives)
}

impl Archives {
    /// The name of the only one.
    fn only(&self) -> Option<&str> {
        match self.archives.as_slice() {
            [one] => one.split_once('=').map(|(name, _)| name),
            _ => None,
        }
    }
}

/// Runs a command.
pub(crate) async fn run(out: &mut Out, scope: &Scope, command: &ArchiveCommand) -> Result<Status> {
    let (ArchiveCommand::Archive { store, archives, .. }
    | ArchiveCommand::Restore { store, archives, .. }
    | ArchiveCommand::Retention { store, archives, .. }
    | ArchiveCommand::Bundles { store, archives, .. }) = command;
    let opened = open(&archives.archives).await?;
    let store = address::open_with(store, |options| options.with_archives(opened)).await?;
    let handle = scope.caller(&store, "archiver")?;
    let done = carry_out(out, (&store, &handle), scope, command).await;
    let closed = store.close().await;
    let status = done?;
    closed?;
    Ok(status)
}

async fn carry_out(
    out: &mut Out,
    (store, handle): (&Store, &Handle),
    scope: &Scope,
    command: &ArchiveCommand,
) -> Result<Status> {
    match command {
        ArchiveCommand::Archive { sessions, to, evict, archives, .. } => {
            let mut archiving = Archiving::new();
            archiving.backend = to.as_deref().or(archives.only()).map(str::to_owned);
            archiving.evict = *evict;
            archive(out, handle, sessions, archiving).await
        }
        ArchiveCommand::Restore { sessions, .. } => restore(out, handle, sessions).await,
        ArchiveCommand::Retention { dry_run, .. } => {
            retain(out, (store, handle), scope.project.as_deref(), *dry_run).await
        }
        ArchiveCommand::Bundles { dry_run, .. } => collect(out, (store, handle), *dry_run).await,
    }
}

#[derive(Serialize)]
struct Archived {
    session: SessionId,
    archive: ArchiveId,
}

async fn archive(
    out: &mut Out,
    handle: &Handle,
    sessions: &[String],
    archiving: Archiving,
) -> Result<Status> {
    let mut done = Vec::new();
    for text in sessions {
        let session = find::session(handle, text).await?;
        let archive = handle.archive_session(session, archiving.clone()).await?;
        if !out.json {
            out.line(format!("archived {session} as {archive}"))?;
        }
        done.push(Archived { session, archive });
    }
    if out.json {
        out.value(&done)?;
    }
    Ok(Status::Fine)
}

#[derive(Serialize)]
struct Restored {
    session: SessionId,
    version: Version,
}

async fn restore(out: &mut Out, handle: &Handle, sessions: &[String]) -> Result<Status> {
    let mut done = Vec::new();
    for text in sessions {
        let session = find::session(handle, text).await?;
        let version = handle.restore_session(session).await?;
        if !out.json {
            out.line(format!("restored {session}"))?;
        }
        done.push(Restored { session, version });
    }
    if out.json {
        out.value(&done)?;
    }
    Ok(Status::Fine)
}

async fn retain(
    out: &mut Out,
    (store, handle): (&Store, &Handle),
    project: Option<&str>,
    dry_run: bool,
) -> Result<Status> {
    let mut retain = Retain::new();
    retain.dry_run = dry_run;
    if let Some(project) = project {
        retain.project = Some(find::project(handle, project).await?);
    }
    let retained = store.retain(handle.caller(), retain).await?;
    let has_failed = retained.iter().any(|it| matches!(it.outcome, RetainOutcome::Failed(_)));
    let status = if has_failed { Status::Problems } else { Status::Fine };
    if out.json {
        out.value(&retained)?;
        return Ok(status);
    }
    let rows = retained.iter().map(|it| {
        let outcome = match &it.outcome {
            RetainOutcome::Found => "would be archived".into(),
            RetainOutcome::Archived(archive) => format!("archived as {archive}"),
            RetainOutcome::InUse => "stays: it is in use".into(),
            RetainOutcome::Failed(why) => format!("failed: {}", clean(why)),
            _ => String::new(),
        };
        [it.session.to_string(), it.why.to_string(), outcome]
    });
    print(out, "session", rows, "nothing is to be archived")?;
    Ok(status)
}

async fn collect(
    out: &mut Out,
    (store, handle): (&Store, &Handle),
    dry_run: bool,
) -> Result<Status> {
    let mut collect = CollectBundles::new();
    collect.dry_run = dry_run;
    let collected = store.collect_bundles(handle.caller(), collect).await?;
    let has_failed = collected.iter().any(|it| matches!(it.outcome, CollectOutcome::Failed(_)));
    let status = if has_failed { Status::Problems } else { Status::Fine };
    if out.json {
        out.value(&collected)?;
        return Ok(status);
    }
    let rows = collected.iter().map(|it| {
        let outcome = match &it.outcome {
            CollectOutcome::Found => "would be removed".into(),
            CollectOutcome::Removed => "removed".into(),
            CollectOutcome::Claimed => "stays: its session is archived".into(),
            CollectOutcome::Failed(why) => format!("failed: {}", clean(why)),
            _ => String::new(),
        };
        [format!("{} in {}", it.archive, clean(&it.backend)), it.why.to_string(), outcome]
    });
    print(out, "bundle", rows, "every bundle belongs to a session")?;
    Ok(status)
}

fn print(
    out: &mut Out,
    what: &'static str,
    rows: impl Iterator<Item = [String; 3]>,
    nothing: &str,
) -> Result<()> {
    let mut table =
        Table::new([(what, Align::Left), ("why", Align::Left), ("outcome", Align::Left)]);
    let mut is_empty = true;
    for row in rows {
        is_empty = false;
        table.row(row);
    }
    if is_empty { out.line(nothing) } else { out.table(&table) }
}
