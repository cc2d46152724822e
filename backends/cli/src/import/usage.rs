//! What a file says it used, booked once.

use sessile::{
    Key,
    command::{MAX_PAGE, NewRun},
    id::SessionId,
    model::{Currency, LedgerRow, RunOutcome, Tokens, Usage},
};

use super::{target::Target, transcript::Fault, write::Stop};

/// The id of the calls booked here.
const CALL: &str = "model_stats";

/// Books what the file says it used and the session has not booked yet, on a run of its own. Zeros are booked too; a file
/// without usage books nothing.
pub(super) async fn book(
    target: &Target,
    session: SessionId,
    producer: &str,
    usage: Option<&Usage>,
) -> Result<(), Stop> {
    let Some(usage) = usage else { return Ok(()) };
    let booked = booked(target, session).await?;
    let times = booked.len() as u64;
    let once = |n| target.importer.with_key(Key::rising(format!("{producer}/usage"), n));
    if let Some(last) = booked.last() {
        // A crash may have come between the booking and the end of its run.
        let run = target.importer.run(last.run).await?;
        if run.is_some_and(|run| !run.status.is_terminal()) {
            once(3 * times).end_run(last.run, RunOutcome::Succeeded).await?;
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
    let run = once(n).start_run(session, NewRun::default()).await?;
    let call = if times == 0 { CALL.to_owned() } else { format!("{CALL} {}", times + 1) };
    once(n + 1).book_usage(run, call, rest).await?;
    once(n + 2).end_run(run, RunOutcome::Succeeded).await?;
    Ok(())
}

/// What earlier imports booked in this session.
async fn booked(target: &Target, session: SessionId) -> Result<Vec<LedgerRow>, Stop> {
    let mut rows = target.importer.ledger(session).page_size(MAX_PAGE).all().await?;
    rows.retain(|row| row.call.starts_with(CALL));
    Ok(rows)
}

/// The file's usage minus what was booked; `None` if that would be negative.
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
