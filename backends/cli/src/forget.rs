//! `sessile forget`: what a person wrote, erased everywhere in a tenant.

use clap::Args;
use sessile::{
    command::{Forget, ForgetOutcome, Forgotten},
    id::UserId,
};

use crate::{
    Status,
    address::{self, Scope},
    archive,
    fail::{Fail, Result},
    report::{Align, Out, Table, clean},
};

/// What to forget.
#[derive(Args)]
pub(crate) struct Person {
    /// The store
    store: String,
    /// The id of the person
    user: String,
    /// Only say what would be erased
    #[arg(long)]
    dry_run: bool,
    /// An archive that sessions went to: its name, and where it is: a folder, file://FOLDER, s3://BUCKET/PREFIX, gs:// or az://
    #[arg(long = "archive", value_name = "NAME=ADDRESS")]
    archives: Vec<String>,
}

/// Forgets a person.
pub(crate) async fn run(out: &mut Out, scope: &Scope, person: &Person) -> Result<Status> {
    if scope.project.is_some() {
        return Err(Fail::input("a person is forgotten in all projects: leave --project out"));
    }
    let mut forget = Forget::user(UserId::new(&person.user)?);
    forget.dry_run = person.dry_run;
    let archives = archive::open(&person.archives).await?;
    let store =
        address::open_with(&person.store, |options| options.with_archives(archives)).await?;
    let handle = scope.caller(&store, "eraser")?;
    let forgotten = store.forget(handle.caller(), forget).await;
    let closed = store.close().await;
    let forgotten = forgotten?;
    closed?;
    let has_failed = forgotten.iter().any(|it| matches!(it.outcome, ForgetOutcome::Failed(_)));
    let status = if has_failed { Status::Problems } else { Status::Fine };
    if out.json {
        out.value(&forgotten)?;
    } else if forgotten.is_empty() {
        out.line("nothing is to be erased")?;
    } else {
        print(out, &forgotten)?;
    }
    Ok(status)
}

fn print(out: &mut Out, forgotten: &[Forgotten]) -> Result<()> {
    let mut table = Table::new([
        ("thread", Align::Left),
        ("entries", Align::Right),
        ("drafts", Align::Right),
        ("summaries", Align::Right),
        ("unfinished", Align::Right),
        ("outcome", Align::Left),
    ]);
    for it in forgotten {
        let outcome = match &it.outcome {
            ForgetOutcome::Found => "would be erased".into(),
            ForgetOutcome::Erased => "erased".into(),
            ForgetOutcome::Failed(why) => format!("failed: {}", clean(why)),
            _ => String::new(),
        };
        let numbers = [it.entries, it.drafts, it.summaries, it.unfinished].map(|n| n.to_string());
        let [entries, drafts, summaries, unfinished] = numbers;
        table.row([it.thread.to_string(), entries, drafts, summaries, unfinished, outcome]);
    }
    out.table(&table)
}
