//! The `sessile` command line: import, look at, verify and measure stores of agent sessions.

mod bench;
mod demo;
mod fail;
mod import;
mod place;
mod report;
mod show;
mod tree;
mod usage;
mod verify;
mod walk;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use sessile::id::TenantId;

use fail::{Fail, Result};
use place::Scope;
use report::{Out, clean};

/// Storage for agent sessions.
///
/// A store is `sqlite:PATH`, a plain path (the same), `disk:PATH`, `redb:PATH`, or
/// `memory:` (gone when the command ends).
/// Exit status: 0 all is well, 1 problems were found, 2 the command could not do its work.
#[derive(Parser)]
#[command(name = "sessile", version, verbatim_doc_comment)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// Whose data
    #[arg(long, global = true, default_value = "local")]
    tenant: String,
    /// The project by name: `import` writes to it (default: import), `tree` and `usage` look at no other
    #[arg(long, global = true)]
    project: Option<String>,
    /// Answer in JSON: one document, a line per result from `bench`
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// A team of agents at work, killed in the middle, and nothing lost
    Demo,
    /// Take in transcripts: .traj, .jsonl, folders of them. Again: only what is new
    Import {
        /// The store; made if it is not there
        store: String,
        /// Files and folders; each folder becomes a thread, each file a session
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Projects, threads and sessions, who spawned whom, what it cost
    Tree {
        /// The store
        store: String,
    },
    /// One project, thread, session, entry, run or edge
    Show {
        /// The store
        store: String,
        /// Its id: prj_, thd_, ses_, msg_, run_ or sub_
        id: String,
    },
    /// What the work cost
    Usage {
        /// The store
        store: String,
    },
    /// Read everything and check every record, body and link of the chain
    Verify {
        /// The store
        store: String,
        /// A position noted before, which a thread must still hold: finds a cut-off end and an exchanged history
        #[arg(long, value_name = "VERSION:HASH")]
        expect: Option<String>,
        /// Only this thread; needed with --expect where the tenant has several
        #[arg(long, value_name = "ID")]
        thread: Option<String>,
    },
    /// Measure this machine: the store beside the bare engine
    Bench {
        /// Small sizes: seconds, not minutes
        #[arg(long)]
        quick: bool,
        /// Only these, separated by commas
        #[arg(long, value_enum, value_delimiter = ',')]
        backend: Vec<bench::Backend>,
    },
    /// The child process of `demo`
    #[command(hide = true)]
    DemoWorker {
        /// The store
        store: String,
    },
}

/// How a command that did its work ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// All is well.
    Fine,
    /// Something is wrong with what was looked at.
    Problems,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut out = Out::new(args.json);
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Fail::io("cannot start"))
        .and_then(|runtime| runtime.block_on(run(args, &mut out)));
    match done.and_then(|status| out.flush().map(|()| status)) {
        Ok(Status::Fine) => ExitCode::SUCCESS,
        Ok(Status::Problems) => ExitCode::from(1),
        Err(error) => {
            let _ = out.flush();
            let _ = writeln!(std::io::stderr(), "error: {}", clean(&error.to_string()));
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args, out: &mut Out) -> Result<Status> {
    let scope = Scope { tenant: TenantId::new(&args.tenant)?, project: args.project };
    match args.verb {
        Verb::Demo => demo::run(out).await,
        Verb::Import { store, paths } => import::run(out, &scope, &store, &paths).await,
        Verb::Tree { store } => tree::run(out, &scope, &store).await,
        Verb::Show { store, id } => show::run(out, &scope, &store, &id).await,
        Verb::Usage { store } => usage::run(out, &scope, &store).await,
        Verb::Verify { store, expect, thread } => {
            verify::run(out, &scope, &store, expect.as_deref(), thread.as_deref()).await
        }
        Verb::Bench { quick, backend } => bench::run(out, quick, &backend).await,
        Verb::DemoWorker { store } => demo::worker(&store).await,
    }
}
