//! The search for an order that explains a history.

use sessile_conformance::internal::history::{
    Invocation,
    check::{linearisable, minimal},
    spec::{Answer, Call, Spec},
};

fn call(client: usize, call: Call, answer: Option<Answer>, began: u64, ended: u64) -> Invocation {
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
