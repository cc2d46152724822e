//! Looking back: contexts and what changed in them, forks, timelines, searches, the feed.

mod context;
mod feed;
mod timeline;

use clap::{Args, Subcommand};
use sessile::{handle::Handle, model::EntryKind};

use crate::{
    Status,
    address::{self, Scope},
    fail::Result,
    report::Out,
};

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Look {
    /// List the entries of a session, newest first: messages, edits, annotations, compressions
    Log {
        /// The store
        store: String,
        /// The session's id, or its ending
        session: String,
        /// At most so many
        #[arg(short = 'n', long, default_value_t = 50)]
        limit: usize,
    },
    /// Show what a model sees of a session, now or then
    Context {
        /// The store
        store: String,
        /// The session's id, or its ending
        session: String,
        /// A version of the thread, or a time such as 2026-11-27T10:00:00Z
        #[arg(long)]
        at: Option<String>,
    },
    /// Show what differs between two contexts: of one session, or of a fork and where it came from
    Diff {
        /// The store
        store: String,
        /// A session, or SESSION@VERSION or SESSION@TIME
        from: String,
        /// Another one
        to: String,
    },
    /// Make a session whose log begins with another's
    Fork {
        /// The store
        store: String,
        /// The session's id, or its ending
        session: String,
        /// The version of the thread to fork at; the head without it
        #[arg(long)]
        at: Option<u64>,
        /// The name of the fork
        #[arg(long)]
        name: Option<String>,
    },
    /// List the entries of a project, a thread or a session in one order, newest first
    Timeline {
        /// The store
        store: String,
        #[command(flatten)]
        which: Which,
    },
    /// Find a text in what people see of messages, newest first
    Search {
        /// The store
        store: String,
        /// The text; in any case, and any spelling in Unicode
        text: String,
        #[command(flatten)]
        which: Which,
    },
    /// Show the last records of a thread or session, and with -f those that come
    Tail {
        /// The store
        store: String,
        /// The id of a thread or session, or its ending
        id: String,
        /// Wait for more
        #[arg(short, long)]
        follow: bool,
        /// Begin with so many
        #[arg(short = 'n', long, default_value_t = 10)]
        lines: u64,
    },
}

/// Which entries.
#[derive(Args)]
pub(crate) struct Which {
    /// A project (name or id), a thread or a session; the project of --project, or all, without it
    #[arg(long = "in", value_name = "ID")]
    within: Option<String>,
    /// Only by this user
    #[arg(long, value_name = "USER")]
    by: Option<String>,
    /// Only of this kind
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only at this time or earlier
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Oldest first
    #[arg(long)]
    forward: bool,
    /// At most so many
    #[arg(short = 'n', long, default_value_t = 50)]
    limit: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Message,
    Edit,
    Annotation,
    Compression,
}

impl From<Kind> for EntryKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Message => Self::Message,
            Kind::Edit => Self::Edit,
            Kind::Annotation => Self::Annotation,
            Kind::Compression => Self::Compression,
        }
    }
}

impl Look {
    fn store(&self) -> &str {
        match self {
            Self::Log { store, .. }
            | Self::Context { store, .. }
            | Self::Diff { store, .. }
            | Self::Fork { store, .. }
            | Self::Timeline { store, .. }
            | Self::Search { store, .. }
            | Self::Tail { store, .. } => store,
        }
    }
}

/// Runs a command.
pub(crate) async fn run(out: &mut Out, scope: &Scope, look: &Look) -> Result<Status> {
    let store = address::open(look.store()).await?;
    let reader = scope.caller(&store, "reader")?;
    let done = carry_out(out, scope, &reader, look).await;
    let closed = store.close().await;
    done?;
    closed?;
    Ok(Status::Fine)
}

async fn carry_out(out: &mut Out, scope: &Scope, reader: &Handle, look: &Look) -> Result<()> {
    match look {
        Look::Log { session, limit, .. } => {
            out.page();
            timeline::log(out, reader, session, *limit).await
        }
        Look::Context { session, at, .. } => {
            out.page();
            context::show(out, reader, session, at.as_deref()).await
        }
        Look::Diff { from, to, .. } => {
            out.page();
            context::diff(out, reader, from, to).await
        }
        Look::Fork { session, at, name, .. } => {
            context::fork(out, reader, session, *at, name.as_deref()).await
        }
        Look::Timeline { which, .. } => {
            out.page();
            timeline::show(out, scope, reader, which, None).await
        }
        Look::Search { text, which, .. } => {
            out.page();
            timeline::show(out, scope, reader, which, Some(text)).await
        }
        Look::Tail { id, follow, lines, .. } => feed::tail(out, reader, id, *follow, *lines).await,
    }
}
