//! What the model expects of commands, and how the store is compared with it.

use std::fmt;

use sessile_core::store::Store;

use super::workload::{self, Command, Outcome, Sent, TENANTS};
use crate::internal::{
    machine::compare_tenant,
    model::{Model, Refusal},
};

/// What the model answers; a minted id is taken from the actual answer.
pub(super) fn predict(
    model: &mut Model,
    sent: &Sent,
    actual: Option<&Outcome>,
) -> std::result::Result<Outcome, Refusal> {
    match &sent.command {
        Command::Thread(command) => {
            let actual = match actual {
                Some(Outcome::Thread(outcome)) => Some(outcome),
                _ => None,
            };
            model.thread_command(&sent.caller, command, sent.at, actual).map(Outcome::Thread)
        }
        Command::Session(command) => {
            model.session_command(&sent.caller, command, sent.at).map(Outcome::Session)
        }
    }
}

/// Sends a command, and compares the answer with the model's.
pub(super) async fn send_and_compare(
    store: &Store,
    model: &mut Model,
    sent: &Sent,
) -> std::result::Result<(), String> {
    if let Command::Thread(command) = &sent.command
        && model.forgotten(&sent.caller, command)
    {
        return Ok(());
    }
    let got = workload::send(store, &sent.caller, &sent.command).await;
    let want = predict(model, sent, got.as_ref().ok());
    let what = match (&got, &want) {
        (Ok(got), Ok(want)) if got == want => None,
        (Err(error), Err(refusal)) => refusal.differs(error),
        (got, Ok(want)) => Some(format!("answered {got:?}, not {want:?}")),
        (Ok(got), Err(refusal)) => {
            Some(format!("answered {got:?}, where it is refused: {refusal}"))
        }
    };
    what.map_or(Ok(()), |what| Err(format!("{} is {}", brief(&sent.command), brief(&what))))
}

/// What it is, without the long texts in it.
pub(super) fn brief(it: &impl fmt::Debug) -> String {
    let text = format!("{it:?}");
    let cut: String = text.chars().take(400).collect();
    if cut.len() < text.len() { format!("{cut} ...") } else { cut }
}

/// Compares all that both tenants can read with the model.
pub(super) async fn compare_store(store: &Store, model: &Model) -> std::result::Result<(), String> {
    for tenant in TENANTS {
        compare_tenant(store, &workload::caller(tenant), model).await?;
    }
    Ok(())
}
