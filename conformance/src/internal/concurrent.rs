//! Many futures at once, in the order in which they are given.

use std::{future::Future, task::Poll};

/// Asks for all of these at once, in this order, and waits for all answers.
pub async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|cx| {
        let mut all = Poll::Ready(());
        for (future, answer) in &mut waiting {
            if answer.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(it) => *answer = Some(it),
                    Poll::Pending => all = Poll::Pending,
                }
            }
        }
        all
    })
    .await;
    waiting.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// Carries all of these out as tasks, so many at a time; a panic in one is one here.
pub async fn in_tasks<F>(at_once: usize, futures: impl IntoIterator<Item = F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for future in futures {
        if tasks.len() == at_once {
            ended(tasks.join_next().await);
        }
        tasks.spawn(future);
    }
    while !tasks.is_empty() {
        ended(tasks.join_next().await);
    }
}

fn ended(task: Option<std::result::Result<(), tokio::task::JoinError>>) {
    if let Some(Err(error)) = task {
        std::panic::resume_unwind(error.into_panic());
    }
}
