//! What a file says it used, booked once.

use sessile::{
    Key,
    command::{MAX_PAGE, NewRun, Paging},
    id::SessionId,
    model::{Currency, LedgerRow, RunOutcome, Tokens, Usage},
    store::SessionStoreExt,
};

use super::{target::Target, transcript::Fault, write::Stop};

/// The id of the calls booked here.
const CALL: &str = "model_stats";

/// Brings the session's ledger up to what the file says: on a run of its own, started and ended. Zeros are booked too;
/// a file that says nothing books nothing.
pub(super) async fn book(
    target: &Target<'_>,
    session: SessionId,
    producer: &str,
    usage: Option<&Usage>,
) -> Result<(), Stop> {
    let Some(usage) = usage else { return Ok(()) };
    let (store, caller) = (target.store, &target.caller);
    let booked = booked(target, session).await?;
    let times = booked.len() as u64;
    let key = |n| caller.with_key(Key::new(format!("{producer}/usage"), n));
    if let Some(last) = booked.last() {
        // A crash may have come between the booking and the end of its run.
        let run = store.run(caller, last.run).await?;
        if run.is_some_and(|run| !run.status.is_terminal()) {
            store.end_run(&key(3 * times), last.run, RunOutcome::Succeeded).await?;
        }
    }
    let Some(rest) = rest(usage, &booked) else {
        let reason = "conflict: model_stats is below what was imported before";
        return Err(Stop::File(Fault::whole(reason)));
    };
    if times > 0
        && rest.tokens == Tokens::default()
        && rest.turns == 0
        && rest.cost.as_ref().is_none_or(|c| c.micro == 0)
    {
        return Ok(());
    }
    let n = 3 * times + 1;
    let run = store.start_run(&key(n), session, NewRun::default()).await?;
    let call = if times == 0 { CALL.to_owned() } else { format!("{CALL} {}", times + 1) };
    store.book_usage(&key(n + 1), run, call, rest).await?;
    store.end_run(&key(n + 2), run, RunOutcome::Succeeded).await?;
    Ok(())
}

/// What earlier imports booked here.
async fn booked(target: &Target<'_>, session: SessionId) -> Result<Vec<LedgerRow>, Stop> {
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let paging = Paging::first(MAX_PAGE).after(after);
        let page = target.store.ledger(&target.caller, session, paging).await?;
        rows.extend(page.items.into_iter().filter(|row| row.call.starts_with(CALL)));
        after = page.next;
        if after.is_none() {
            return Ok(rows);
        }
    }
}

/// What the file says beyond what was booked; `None` where it says less.
fn rest(usage: &Usage, booked: &[LedgerRow]) -> Option<Usage> {
    let sum = |part: fn(&Usage) -> u64| booked.iter().map(|row| part(&row.usage)).sum::<u64>();
    let micro = |usage: &Usage| usage.cost.as_ref().map_or(0, |c| c.micro);
    let tokens = Tokens::new(
        usage.tokens.input.checked_sub(sum(|u| u.tokens.input))?,
        usage.tokens.output.checked_sub(sum(|u| u.tokens.output))?,
    );
    let rest = Usage::new(tokens, usage.turns.checked_sub(sum(|u| u.turns))?);
    let cost = micro(usage).checked_sub(booked.iter().map(|row| micro(&row.usage)).sum())?;
    let currency = usage.cost.as_ref().map(|c| Currency::clone(&c.currency));
    Some(match currency {
        Some(currency) => rest.with_cost(currency, cost),
        None => rest,
    })
}
