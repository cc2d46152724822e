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

#[cfg(test)]
mod tests {
    use super::{
        super::spec::{Answer, Call},
        *,
    };

    fn call(
        client: usize,
        call: Call,
        answer: Option<Answer>,
        began: u64,
        ended: u64,
    ) -> Invocation {
        Invocation { client, call, answer, began, ended }
    }

    fn append(expected: Option<u64>) -> Call {
        Call::Append { session: 2, count: 1, expected, key: None }
    }

    #[test]
    fn finds_the_order_of_overlapping_calls() {
        let start = Spec::new(2, &[2]);
        let history = [
            call(0, append(None), Some(Answer::At(4)), 0, 10),
            call(1, append(Some(0)), Some(Answer::At(3)), 1, 9),
            call(2, Call::Look(2), Some(Answer::Seen(3, 1)), 2, 8),
        ];
        assert!(linearisable(&start, &history));
    }

    #[test]
    fn refuses_a_stale_read_and_names_it() {
        let start = Spec::new(2, &[2]);
        let history = [
            call(0, append(None), Some(Answer::At(3)), 0, 1),
            call(0, append(None), Some(Answer::At(4)), 2, 3),
            call(1, Call::Look(2), Some(Answer::Seen(3, 1)), 4, 5),
        ];
        let least = minimal(&start, &history).expect("nothing explains it");
        assert!(least.iter().any(|i| i.client == 1));
    }

    #[test]
    fn a_counterexample_keeps_what_was_written() {
        let start = Spec::new(2, &[2]);
        let closed = Some(Answer::Closed);
        let history = [
            call(0, Call::Archive, Some(Answer::Nothing), 0, 1),
            call(0, Call::Count, Some(Answer::Sessions(1)), 2, 3),
            call(0, Call::Reopen, Some(Answer::Nothing), 4, 5),
            call(2, Call::Create, Some(Answer::At(5)), 6, 20),
            call(1, append(None), closed, 7, 8),
            call(0, Call::Look(2), Some(Answer::Seen(0, 0)), 9, 10),
        ];
        let least = minimal(&start, &history).expect("a refusal from before it was reopened");
        let calls: Vec<_> = least.iter().map(|i| (i.client, i.answer.is_some())).collect();
        assert_eq!(calls, [(0, true), (0, true), (2, false), (1, true)]);
    }

    #[test]
    fn an_unknown_call_may_land_late_or_never() {
        let start = Spec::new(2, &[2]);
        let unknown = call(0, append(None), None, 0, u64::MAX);
        let before = call(1, Call::Look(2), Some(Answer::Seen(0, 0)), 1, 2);
        let after = call(1, Call::Look(2), Some(Answer::Seen(3, 1)), 3, 4);
        assert!(linearisable(&start, &[unknown.clone(), before.clone()]));
        assert!(linearisable(&start, &[unknown.clone(), before.clone(), after.clone()]));
        let back = call(1, Call::Look(2), Some(Answer::Seen(0, 0)), 5, 6);
        assert!(!linearisable(&start, &[unknown, before, after, back]));
    }

    #[test]
    fn refuses_a_lost_update() {
        let start = Spec::new(2, &[2]);
        let history = [
            call(0, append(Some(0)), Some(Answer::At(3)), 0, 5),
            call(1, append(Some(0)), Some(Answer::At(4)), 1, 6),
        ];
        assert!(!linearisable(&start, &history));
    }
}
