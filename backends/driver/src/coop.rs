//! A fair share of a runtime's thread for other tasks.

/// Uses one unit of the task's cooperative budget of tokio, and yields to other tasks when it is used up.
///
/// Call it in each method of a journal that may be ready at once. Without it, a task that calls such a method in a loop keeps
/// its worker thread: other tasks of the thread do not run, and a timeout or cancellation of the task has no effect.
pub async fn yield_budget() {
    tokio::task::coop::consume_budget().await;
}
