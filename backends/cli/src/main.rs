//! The `sessile` command line: import, look at, verify and measure stores of agent sessions.

mod address;
mod archive;
mod bench;
mod demo;
mod fail;
mod find;
mod forget;
mod import;
mod lists;
mod look;
mod report;
mod resume;
mod show;
mod tree;
mod usage;
mod verify;
mod workspace;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use sessile::id::TenantId;

use address::Scope;
use fail::{Fail, Result};
use report::{Out, clean};

/// Storage for agent sessions: import, look at, verify and measure stores.
///
/// STORE is sqlite:PATH or a plain path (an SQLite file), disk:PATH (a folder of files),
/// redb:PATH, postgres://USER@HOST/DATABASE, file://FOLDER, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX,
/// or memory: (gone when the command ends).
///
/// Exit status: 0 done, 1 problems were found, 2 the command could not do its work.
#[derive(Parser)]
#[command(name = "sessile", version, verbatim_doc_comment)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// The tenant whose data is read or written
    #[arg(long, global = true, default_value = "local")]
    tenant: String,
    /// The project, by name: import writes to it (default: import), tree and usage show only this one
    #[arg(long, global = true)]
    project: Option<String>,
    /// Print JSON: one document; bench, log, timeline, search and tail print one line for each result
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Let a team of agents work, kill it in the middle, and show that nothing is lost
    Demo,
    /// Import transcripts (.traj, .jsonl, or folders of them); imported again, only what is new is added
    Import {
        /// The store; created if it does not exist
        store: String,
        /// Files and folders: each folder becomes a thread, each file a session
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Show projects, threads and sessions as a tree, with what each cost
    Tree {
        /// The store
        store: String,
    },
    /// List the sessions that can be taken up again, what each waits for, and its newest note
    Resume {
        /// The store
        store: String,
    },
    /// Show one project, thread, session, entry, run or edge
    Show {
        /// The store
        store: String,
        /// Its id, which begins with prj_, thd_, ses_, msg_, run_ or sub_
        id: String,
    },
    #[command(flatten)]
    Archive(archive::ArchiveCommand),
    /// Erase for ever what a person wrote, in all threads of the tenant, and in archives; not titles, names, states and what
    /// others say of it
    Forget(forget::Person),
    #[command(flatten)]
    Look(look::Look),
    /// The files that agents work in: list, show, compare, take out, put in, remove
    Workspace(workspace::Workspaces),
    /// Sum up tokens and cost
    Usage {
        /// The store
        store: String,
        /// What to sum up
        #[arg(long, value_enum, default_value_t)]
        by: usage::By,
    },
    /// Read every thread and check each record, each body and the chain of hashes
    Verify {
        /// The store
        store: String,
        /// A position noted earlier that the thread must still hold; finds a cut-off end or a replaced history
        #[arg(long, value_name = "VERSION:HASH")]
        expect: Option<String>,
        /// Check only this thread; needed with --expect if the tenant has several
        #[arg(long, value_name = "ID")]
        thread: Option<String>,
    },
    /// Measure the store beside the bare engine, on this machine
    Bench {
        /// Use small sizes: takes seconds instead of minutes
        #[arg(long)]
        quick: bool,
        /// Measure workspaces instead, beside `git worktree` and `cp`
        #[arg(long, conflicts_with = "backend")]
        workspaces: bool,
        /// Measure work that is handed on instead: spawns, handoffs, summaries, totals, on SQLite
        #[arg(long, conflicts_with_all = ["backend", "workspaces"])]
        delegation: bool,
        /// Measure only these backends, separated by commas
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
    /// Nothing is wrong.
    Fine,
    /// Problems were found.
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
    let finished = out.finish();
    match done.and_then(|status| finished.map(|()| status)) {
        Ok(Status::Fine) => ExitCode::SUCCESS,
        Ok(Status::Problems) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", clean(&error.to_string()));
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args, out: &mut Out) -> Result<Status> {
    let scope = Scope { tenant: TenantId::new(&args.tenant)?, project: args.project };
    match args.command {
        Command::Demo => demo::run(out).await,
        Command::Import { store, paths } => import::run(out, &scope, &store, &paths).await,
        Command::Tree { store } => tree::run(out, &scope, &store).await,
        Command::Resume { store } => resume::run(out, &scope, &store).await,
        Command::Show { store, id } => show::run(out, &scope, &store, &id).await,
        Command::Archive(archive) => archive::run(out, &scope, &archive).await,
        Command::Forget(person) => forget::run(out, &scope, &person).await,
        Command::Look(look) => look::run(out, &scope, &look).await,
        Command::Workspace(it) => workspace::run(out, &scope, &it).await,
        Command::Usage { store, by } => usage::run(out, &scope, &store, by).await,
        Command::Verify { store, expect, thread } => {
            verify::run(out, &scope, &store, expect.as_deref(), thread.as_deref()).await
        }
        Command::Bench { quick, workspaces, delegation, backend } => {
            let other = match (workspaces, delegation) {
                (true, _) => Some(bench::Other::Workspaces),
                (_, true) => Some(bench::Other::Delegation),
                _ => None,
            };
            bench::run(out, quick, other, &backend).await
        }
        Command::DemoWorker { store } => demo::worker(&store).await,
    }
}
