//! Good manners towards the runtime.

/// Gives way to the caller's other tasks now and then. A journal that is always ready at once would otherwise let one
/// task that calls it in a loop keep its worker for ever, and never be cancelled or timed out.
pub(crate) async fn breathe() {
    tokio::task::coop::consume_budget().await;
}
