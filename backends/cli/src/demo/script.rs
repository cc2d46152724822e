//! What the agents of the demo say.

/// A turn: what the agent thinks, the command it runs, what came back.
pub(super) type Turn = (&'static str, &'static str, &'static str);

/// What each comes to.
pub(super) const FIXED: &str =
    "On the 31st a token expired at once; days are counted now, not months.";
pub(super) const REVIEWED: &str = "The change is right, and its test fails without it.";
pub(super) const CLOSED: &str = "The login works on every day of a month.";

/// The request of a person.
pub(super) const REQUEST: &str =
    "The login test fails every 31st of a month. Find out why and fix it.";

/// The planner before it has help.
pub(super) const PLAN: &[Turn] = &[
    (
        "Two steps: a coder finds and fixes it, a reviewer reads the change.",
        "spawn coder",
        "coder is here",
    ),
    ("The reviewer may read along from the start.", "spawn reviewer", "reviewer is here"),
];

/// The coder.
pub(super) const FIX: &[Turn] = &[
    (
        "First see it fail.",
        "date -s 2026-01-31 && run-tests login",
        "1 failed: token expired before it was issued",
    ),
    (
        "Where are tokens issued?",
        "grep -rn expires src",
        "src/token.py:41  expires = today.replace(month=m + 1)",
    ),
    (
        "replace() raises on the 31st; the handler swallows it.",
        "sed -n 30,60p src/token.py",
        "except ValueError: expires = today",
    ),
    (
        "So the token expires at once. Who else does that?",
        "grep -rn 'month=' src",
        "src/token.py:41, src/report.py:12",
    ),
    (
        "report.py only formats. One place, then.",
        "sed -n 1,30p src/report.py",
        "# prints the month",
    ),
    ("A test first.", "edit tests/test_token.py", "7 lines added"),
    ("It must fail before the fix.", "run-tests token", "1 failed, as it should"),
    ("Count days, not months.", "edit src/token.py", "3 lines changed"),
    ("Now.", "run-tests token", "12 passed"),
    ("And the month ends of a whole year.", "run-tests token --month-ends", "12 passed, 12 times"),
    ("Everything else.", "run-tests", "418 passed"),
    ("Tidy the handler that hid it.", "edit src/token.py", "2 lines removed"),
    ("Once more.", "run-tests", "418 passed"),
    ("Ready for the reviewer.", "git diff --stat", "2 files changed, 10 insertions, 5 deletions"),
];

/// The reviewer.
pub(super) const REVIEW: &[Turn] = &[
    ("Read the ticket first.", "show ticket", "fails every 31st"),
    ("Which months have one?", "cal 2026", "seven of twelve"),
    ("How long do tokens live by contract?", "grep -n lifetime docs/api.md", "30 days"),
    ("Days, not a month: the fix must say so.", "note", "kept"),
    ("Are leap years tested?", "grep -rn 02-29 tests", "tests/test_token.py:88"),
    (
        "They are. Does anything catch ValueError still?",
        "grep -rn 'except ValueError' src",
        "nothing",
    ),
    ("Good. Are old tokens still valid?", "run-tests migration", "9 passed"),
    ("Then it may go in.", "approve", "approved"),
];

/// The planner at the end.
pub(super) const CLOSE: &[Turn] =
    &[("The coder is done and the reviewer agrees.", "merge", "merged")];
