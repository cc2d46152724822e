//! Whether there is an order: Wing and Gong's search with memoisation, as in Lowe, "Testing for linearizability" (2017).

use std::collections::HashSet;

use super::{Invocation, spec::Spec};

/// Whether some order of the calls, each within its time, gives the answers recorded. Calls of unknown outcome may be
/// placed anywhere after they began, or left out.
pub fn linearisable(start: &Spec, history: &[Invocation]) -> bool {
    let mut seen = HashSet::new();
    let mut done = vec![false; history.len()];
    search(start, history, &mut done, &mut seen)
}

/// The least of a history that cannot be explained: cut off where it first cannot, without the calls that change nothing
/// and are not needed to see it. `None` if it can be explained.
pub fn minimal(start: &Spec, history: &[Invocation]) -> Option<Vec<Invocation>> {
    if linearisable(start, history) {
        return None;
    }
    let mut ends: Vec<u64> =
        history.iter().filter(|i| i.answer.is_some()).map(|i| i.ended).collect();
    ends.sort_unstable();
    // What holds of a history holds of its beginning, so the first end that cannot be explained is found by halving.
    let first = ends.partition_point(|end| linearisable(start, &until(history, *end)));
    let mut least = until(history, ends.get(first).copied().unwrap_or(u64::MAX));
    least.sort_by_key(|i| i.began);
    let mut at = 0;
    while at < least.len() {
        if least[at].may_write() {
            at += 1;
            continue;
        }
        let without = least.remove(at);
        if linearisable(start, &least) {
            least.insert(at, without);
            at += 1;
        }
    }
    Some(least)
}

/// The beginning of a history: what had begun by `end`; what had not been answered by then is open.
fn until(history: &[Invocation], end: u64) -> Vec<Invocation> {
    let begun = history.iter().filter(|i| i.began <= end).cloned();
    begun
        .map(|i| if i.ended > end { Invocation { answer: None, ended: u64::MAX, ..i } } else { i })
        .collect()
}

fn search(
    state: &Spec,
    history: &[Invocation],
    done: &mut Vec<bool>,
    seen: &mut HashSet<(Vec<bool>, Spec)>,
) -> bool {
    let open = || history.iter().enumerate().filter(|(at, _)| !done[*at]);
    // Whatever ended first must be placed before anything that began after it; equal times may be either way.
    let Some(bound) = open().filter(|(_, i)| i.answer.is_some()).map(|(_, i)| i.ended).min() else {
        return true;
    };
    if !seen.insert((done.clone(), state.clone())) {
        return false;
    }
    let candidates: Vec<usize> =
        open().filter(|(_, i)| i.began <= bound).map(|(at, _)| at).collect();
    for at in candidates {
        let invocation = &history[at];
        let mut next = state.clone();
        let answer = next.apply(&invocation.call);
        let fits = invocation.answer.as_ref().is_none_or(|parse_call| *parse_call == answer);
        // An unknown call that changes nothing explains nothing.
        if !fits || (invocation.answer.is_none() && next == *state) {
            continue;
        }
        done[at] = true;
        if search(&next, history, done, seen) {
            return true;
        }
        done[at] = false;
    }
    false
}
