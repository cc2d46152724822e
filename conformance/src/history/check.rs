//! Is there an order? Wing and Gong's search with memoisation, as in Lowe, "Testing for linearizability" (2017).

use std::collections::HashSet;

use super::{Invocation, spec::Spec};

/// Whether some order of the calls, each within its time, gives the answers recorded. Calls of unknown outcome may be
/// placed anywhere after they began, or left out.
pub fn linearisable(start: &Spec, history: &[Invocation]) -> bool {
    let mut seen = HashSet::new();
    let mut done = vec![false; history.len()];
    search(start, history, &mut done, &mut seen)
}

/// A history that cannot be explained, with every call taken out that is not needed to see it.
pub fn minimal(start: &Spec, history: &[Invocation]) -> Option<Vec<Invocation>> {
    if linearisable(start, history) {
        return None;
    }
    let mut least = history.to_vec();
    // What ended last can go first: without it, what is left is a prefix and still a history.
    least.sort_by_key(|i| i.began);
    while let Some(last) = least.pop() {
        if linearisable(start, &least) {
            least.push(last);
            break;
        }
    }
    // A read or a refusal changes nothing, so each can be left out on its own.
    let mut at = 0;
    while at < least.len() {
        let mut without = least.clone();
        without.remove(at);
        if linearisable(start, &without) { at += 1 } else { least = without }
    }
    Some(least)
}

fn search(
    state: &Spec,
    history: &[Invocation],
    done: &mut Vec<bool>,
    seen: &mut HashSet<(Vec<bool>, Spec)>,
) -> bool {
    let open = || history.iter().enumerate().filter(|(at, _)| !done[*at]);
    // Whatever ended first must be placed before anything that began after it.
    let Some(bound) = open().filter(|(_, i)| i.answer.is_some()).map(|(_, i)| i.ended).min() else {
        return true;
    };
    if !seen.insert((done.clone(), state.clone())) {
        return false;
    }
    let candidates: Vec<usize> =
        open().filter(|(_, i)| i.began < bound).map(|(at, _)| at).collect();
    for at in candidates {
        let invocation = &history[at];
        let mut next = state.clone();
        let answer = next.apply(&invocation.call);
        let fits = invocation.answer.as_ref().is_none_or(|heard| *heard == answer);
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
