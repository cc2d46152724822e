//! What PostgreSQL has and no other journal - views, settings, TLS, locks of rows, statistics -, and how fast it is. Judged where
//! `SESSILE_TEST_POSTGRES` says that a server is (`postgres.sh` beside this).
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod figures;
mod kept;
mod server;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if std::env::var_os(server::VARIABLE).is_none() {
        eprintln!(
            "NOT ASSESSED postgres: {} is not set; backends/tests/postgres.sh COMMAND starts a server",
            server::VARIABLE
        );
        return ExitCode::SUCCESS;
    }
    // One changes the server's settings.
    arguments.test_threads = Some(1);
    let trials = vec![
        Trial::test("views", || judge(kept::views())),
        Trial::test("scrub", || judge(kept::scrub())),
        Trial::test("encrypted", || judge(kept::encrypted())),
        Trial::test("patience", || judge(kept::patience())),
        Trial::test("settings", || judge(kept::settings())),
        Trial::test("figures", || judge(figures::measure())).with_ignored_flag(true),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn judge(trial: impl Future<Output = String>) -> Result<(), libtest_mimic::Failed> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let said = runtime.worker_threads(2).enable_all().build()?.block_on(trial);
    println!("{said}");
    Ok(())
}
