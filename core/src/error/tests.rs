//! What every error says, word for word.

use std::collections::HashSet;

use super::*;
use crate::{
    command::Key,
    id::{CollapseId, EntryId, SpaceKind},
    journal::BlobName,
    model::{BudgetKind, CollapseStatus, SessionStatus, SubSessionStatus},
};

const PROJECT: ProjectId = ProjectId::from_bits(1);
const THREAD: ThreadId = ThreadId::from_bits(2);
const SESSION: SessionId = SessionId::new(THREAD, 3);
const CHILD: SessionId = SessionId::new(THREAD, 4);
const EDGE: SubSessionId = SubSessionId::new(THREAD, 5);
const WORKSPACE: WorkspaceId = WorkspaceId::new(THREAD, 6);
const RUN: RunId = RunId::new(THREAD, 6);

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn space() -> Space {
    THREAD.space(&tenant())
}

fn key() -> Box<Key> {
    Box::new(Key::rising("worker", 3))
}

fn not_empty(action: ThreadAction, samples: &[SessionStatus], total: u64) -> Error {
    let sample = |(i, status): (usize, &SessionStatus)| SessionSample {
        session: SessionId::new(THREAD, i as u64 + 1),
        status: *status,
    };
    let samples = samples.iter().enumerate().map(sample).collect();
    Error::ThreadNotEmpty { thread: THREAD, action, samples, total }
}

fn stale(what: impl Into<Subject>, counter: Counter) -> Error {
    Error::Stale { what: what.into(), counter, expected: 5, actual: 7 }
}

fn fenced(current: Option<Version>, given: Option<Version>) -> Error {
    Error::Fenced { session: SESSION, current, given }
}

fn step(what: impl Into<Subject>, from: State, to: State) -> Error {
    Error::IllegalTransition { what: what.into(), from, to }
}

/// Every kind of error, with its text; `P`, `T` and `_` stand for the long part of ids.
fn table() -> Vec<(Error, &'static str)> {
    use SessionStatus::{Active, AwaitingHitl, Failed, Idle};
    let project = PROJECT.space(&tenant());
    let engine = || Some(Arc::new(std::fmt::Error) as Source);
    vec![
        (
            Error::invalid("title", "300 bytes, where 0 to 256 are allowed"),
            "invalid title: 300 bytes, where 0 to 256 are allowed",
        ),
        (
            Error::KeyReused { key: key() },
            "key 3 of producer \"worker\" was used for another command; take a new key for a new command",
        ),
        (
            Error::KeyExpired { key: key(), greatest: Some(9) },
            "key 3 of producer \"worker\" is no longer remembered, the greatest of its producer is 9; \
             nothing was written now, read to see what the key wrote before",
        ),
        (
            Error::KeyExpired { key: Box::new("a\"b".into()), greatest: None },
            "key \"a\\\"b\" is no longer remembered; nothing was written now, read to see what the key wrote before",
        ),
        (
            Error::WrongExternalId { run: RunId::new(THREAD, 42), given: "a\nb".into() },
            "\"a\\nb\" is not the external id of run run_T_21a; name the run that it belongs to",
        ),
        (
            Error::ExternalIdTaken { thread: THREAD, external_id: "a\nb".into() },
            "cannot start a run: thread thd_T has or had one with the external id \"a\\nb\"; give another",
        ),
        (
            Error::TenantIsolation { what: SESSION.into(), tenant: tenant() },
            "session ses_T_13 belongs to another tenant, not to `acme`; ask as a caller of its own tenant",
        ),
        (
            Error::TenantIsolation { what: Subject::Actor { field: "entries" }, tenant: tenant() },
            "the actor in `entries` belongs to another tenant, not to `acme`; ask as a caller of its own tenant",
        ),
        (
            Error::not_found(PROJECT),
            "project prj_P does not exist; it was deleted, or never created",
        ),
        (
            Error::not_found(&space()),
            "thread thd_T does not exist; it was deleted, or never created",
        ),
        (
            Error::not_found(EntryId::new(THREAD, 42)),
            "entry msg_T_21a does not exist; it was deleted, or never created",
        ),
        (
            Error::not_found(Subject::Task { thread: THREAD, task: "t-1".into() }),
            "task \"t-1\" in thread thd_T does not exist; it was deleted, or never created",
        ),
        (
            Error::not_found(Subject::blob(&project, &BlobName("b1".into()))),
            "blob b1 of project prj_P of tenant acme does not exist; it was deleted, or never created",
        ),
        (
            Error::not_found(Subject::record(&space(), 8)),
            "record 8 of thread thd_T of tenant acme does not exist; it was deleted, or never created",
        ),
        (
            Error::not_found(Subject::file("store/meta")),
            "store/meta does not exist; it was deleted, or never created",
        ),
        (Error::closed(Closure::Store), "the store is closed; open it again"),
        (
            Error::closed(Closure::Store).during("list_sessions"),
            "cannot list sessions: the store is closed; open it again",
        ),
        (
            Error::closed(Closure::ProjectArchived(PROJECT)).during("create_session"),
            "cannot create session: project prj_P is archived; reopen it first",
        ),
        (
            Error::closed(Closure::ProjectDeleting(PROJECT)).during("create_thread"),
            "cannot create thread: project prj_P is being deleted; delete it again to finish or undo that",
        ),
        (
            Error::closed(Closure::ThreadArchived(THREAD)).during("append"),
            "cannot append: thread thd_T is archived; reopen it first",
        ),
        (
            Error::closed(Closure::SessionArchived(SESSION)).during("append"),
            "cannot append: session ses_T_13 is archived; restore it first",
        ),
        (
            Error::wrong_thread(RUN, SESSION),
            "run run_T_16 does not belong to session ses_T_13; name one that does",
        ),
        (
            Error::RunEnded { run: RUN },
            "run run_T_16 has ended and takes nothing more; start another run",
        ),
        (
            Error::RunLive { run: RUN, status: RunStatus::AwaitingHitl },
            "run run_T_16 is awaiting_hitl; end it first",
        ),
        (
            Error::SessionOwned {
                session: SESSION,
                owner: Box::new(Actor::User {
                    tenant: tenant(),
                    id: crate::id::UserId::new("ann").unwrap(),
                }),
            },
            "cannot give session ses_T_13 an owner: ann owns it",
        ),
        (
            fenced(Some(9), None),
            "cannot write to session ses_T_13: its lease is 9, and none was given; \
             give its token, or claim the lease when it has expired",
        ),
        (
            fenced(Some(9), Some(7)),
            "cannot write to session ses_T_13: its lease is 9, and 7 was given; \
             stop, or claim the lease when it has expired",
        ),
        (
            fenced(None, Some(7)),
            "cannot write to session ses_T_13: it has no lease, and 7 was given; claim the lease again",
        ),
        (fenced(None, None), "cannot write to session ses_T_13: it has no lease; claim it first"),
        (
            step(SESSION, State::Session(Active), State::Session(Idle)),
            "cannot set session ses_T_13 to idle: it is active; \
             while a run lives, the run decides its status",
        ),
        (
            step(EDGE, State::Edge(SubSessionStatus::Idle), State::Edge(SubSessionStatus::Pending)),
            "cannot set edge sub_T_15 to pending: it is idle",
        ),
        (
            step(RUN, State::Run(RunStatus::Queued), State::Run(RunStatus::Succeeded)),
            "cannot set run run_T_16 to succeeded: it is queued",
        ),
        (
            not_empty(ThreadAction::Archive, &[Active; 3], 3),
            "cannot archive thread thd_T: 3 sessions are active (ses_T_11, ses_T_12, ses_T_13); \
             end their runs, release their leases and set them idle first",
        ),
        (
            not_empty(ThreadAction::Purge, &[AwaitingHitl], 1),
            "cannot purge thread thd_T: 1 session is awaiting_hitl (ses_T_11); \
             end their runs, release their leases and set them idle first",
        ),
        (
            not_empty(ThreadAction::Archive, &[Active, Idle, Failed], 3),
            "cannot archive thread thd_T: 3 sessions are at work (ses_T_11 active, \
             ses_T_12 with a live run or a lease, ses_T_13 with a live run or a lease); \
             end their runs, release their leases and set them idle first",
        ),
        (
            not_empty(ThreadAction::Archive, &[Active; 50], 52),
            "cannot archive thread thd_T: 52 sessions are at work (ses_T_11 active, ses_T_12 active, \
             ses_T_13 active and 49 more); end their runs, release their leases and set them idle first",
        ),
        (
            not_empty(ThreadAction::Delete, &[Idle, Failed], 2),
            "cannot delete thread thd_T: 2 sessions are left (ses_T_11 idle, ses_T_12 failed); \
             delete them first, or purge the thread",
        ),
        (
            not_empty(ThreadAction::Delete, &[Idle; 50], 50),
            "cannot delete thread thd_T: 50 sessions are left (ses_T_11 idle, ses_T_12 idle, ses_T_13 idle \
             and 47 more); delete them first, or purge the thread",
        ),
        (
            Error::ProjectNotEmpty { project: PROJECT, threads: 1 },
            "cannot delete project prj_P: it holds 1 thread or more; delete or purge them first",
        ),
        (
            Error::Trimmed { thread: THREAD, upto: 7 },
            "the feed of thread thd_T was trimmed up to 7; read what there is, and follow from there",
        ),
        (
            Error::SessionLinked { session: SESSION, edge: EDGE },
            "cannot delete session ses_T_13: edge sub_T_15 names it; delete the edge first",
        ),
        (
            Error::NothingToSummarise { session: SESSION, last: Some(SummaryId::new(THREAD, 7)) },
            "cannot summarise session ses_T_13: nothing was done in it since sum_T_17",
        ),
        (
            Error::IllegalTransition {
                what: CollapseId::new(THREAD, 7).into(),
                from: State::Collapse(CollapseStatus::Rejected),
                to: State::Collapse(CollapseStatus::Accepted),
            },
            "cannot set collapse col_T_17 to accepted: it is rejected",
        ),
        (
            Error::NothingToSummarise { session: SESSION, last: None },
            "cannot summarise session ses_T_13: nothing was done in it",
        ),
        (
            Error::AlreadyContinued { session: SESSION, successor: CHILD },
            "session ses_T_13 goes on as ses_T_14; go on there",
        ),
        (
            Error::ArtifactSet { edge: EDGE },
            "edge sub_T_15 says already what it answers, which never changes",
        ),
        (
            Error::ChildAtWork { session: SESSION, edge: EDGE },
            "cannot archive session ses_T_13: its child below edge sub_T_15 is at work; \
             wait for it, or end it",
        ),
        (
            Error::ArchiveNotConfigured { project: PROJECT, backend: None },
            "cannot archive: project prj_P names no archive; name one, or configure it",
        ),
        (
            Error::ArchiveNotConfigured { project: PROJECT, backend: Some("cold".into()) },
            "this store has no archive `cold`, which a session of project prj_P needs; open it with one",
        ),
        (
            Error::BrokenBundle {
                archive: ArchiveId::new(THREAD, 7),
                fault: BundleFault::MissingPart,
            },
            "cannot use the bundle of archive arc_T_17: a part of it is missing; bring it back from a copy",
        ),
        (
            Error::NotSummarised { session: SESSION },
            "session ses_T_13 has no summary to inherit; seal one first",
        ),
        (
            Error::NotOwner {
                session: SESSION,
                owner: Box::new(Actor::User {
                    tenant: tenant(),
                    id: crate::id::UserId::new("ann").unwrap(),
                }),
            },
            "session ses_T_13 is owned by ann; a former owner cannot write to it, and only its owner hands it over",
        ),
        (
            Error::NotMergeBack { edge: EDGE },
            "edge sub_T_15 returns a summary and is not merged; change its completion mode first",
        ),
        (
            Error::NotHandedOff {
                undone: Box::new(NotHandedOff {
                    cause: Error::RunEnded { run: RUN },
                    made: 3,
                    left: vec![WORKSPACE],
                }),
            },
            "run run_T_16 has ended and takes nothing more; start another run; undone, 2 of 3 workspaces removed, \
             wsp_T_16 is left",
        ),
        (
            Error::SessionHasWorkspace { session: SESSION, workspace: WORKSPACE },
            "cannot give session ses_T_13 a workspace: it has wsp_T_16; \
             use that, or dispose of it first",
        ),
        (
            Error::WorkspaceNotReady { workspace: WORKSPACE, status: WorkspaceStatus::Intended },
            "workspace wsp_T_16 is intended and takes no work; \
             wait until it is made, or make another",
        ),
        (
            Error::PathConflict {
                path: crate::workspace::FilePath::new("a/b\n").unwrap(),
                reason: "a folder is there",
            },
            "cannot use the path a/b\\n: a folder is there; take another, or remove that first",
        ),
        (
            Error::NotAForest { parent: SESSION, child: SESSION, reason: ForestRule::OwnParent },
            "cannot put session ses_T_13 below session ses_T_13: a session cannot be its own parent",
        ),
        (
            Error::NotAForest { parent: SESSION, child: CHILD, reason: ForestRule::SecondParent },
            "cannot put session ses_T_14 below session ses_T_13: \
             it has a parent already; delete that edge first",
        ),
        (
            Error::NotAForest { parent: SESSION, child: CHILD, reason: ForestRule::Cycle },
            "cannot put session ses_T_14 below session ses_T_13: \
             the parent stands below it, and the relation has no cycles",
        ),
        (
            Error::capacity(SESSION, "delegation depth", 4, 5),
            "too much for session ses_T_13: delegation depth would be 5, the limit is 4",
        ),
        (
            Error::capacity(&space(), "bytes of one blob", 10, 11),
            "too much for thread thd_T: bytes of one blob would be 11, the limit is 10",
        ),
        (
            Error::BudgetExceeded {
                of: SESSION.into(),
                kind: BudgetKind::Tokens,
                used: 60,
                limit: 100,
            },
            "the budget of session ses_T_13 does not allow that: 60 of 100 tokens are used or reserved; \
             ask for less, or raise the budget",
        ),
        (
            stale(THREAD, Counter::Version),
            "thread thd_T has changed: version 5 was expected, it is 7; \
             read again and retry with version 7",
        ),
        (
            stale(StateKey { of: SESSION.into(), key: "a\nkey".into() }, Counter::Version),
            "key \"a\\nkey\" of the state of session ses_T_13 has changed: version 5 was expected, it is 7; \
             read again and retry with version 7",
        ),
        (
            Error::capacity(SESSION, "keys of state", 1024, 1025),
            "too much for session ses_T_13: keys of state would be 1025, the limit is 1024",
        ),
        (
            stale(SESSION, Counter::Tail),
            "session ses_T_13 has changed: tail 5 was expected, it is 7; read again and retry with tail 7",
        ),
        (
            stale(THREAD, Counter::Head),
            "thread thd_T has changed: head 5 was expected, it is 7; read again and retry with head 7",
        ),
        (
            Error::contended(&space()),
            "others kept writing to thread thd_T of tenant acme until the deadline; \
             nothing was written, try again or allow more time",
        ),
        (
            Error::contended(&space()).during("start_run"),
            "cannot start run: others kept writing to thread thd_T of tenant acme until the deadline; \
             nothing was written, try again or allow more time",
        ),
        (
            Error::corrupt(&space(), 8, "the body does not match its digest"),
            "record 8 of thread thd_T of tenant acme is damaged: the body does not match its digest; \
             verify it, and restore it from a copy",
        ),
        (
            Error::corrupt(&project, 0, "the space has no card"),
            "project prj_P of tenant acme is damaged: the space has no card; \
             verify it, and restore it from a copy",
        ),
        (
            Error::CorruptFile { file: "a.db".into(), reason: "page 3\nis torn\n".into() },
            "a.db is damaged or no store: page 3 is torn; check the address, or restore it from a copy",
        ),
        (Error::failed("a.db is in use"), "a.db is in use"),
        (
            Error::unavailable("a.db is\tin use", std::fmt::Error).during("verify"),
            "cannot verify: a.db is in use",
        ),
        (
            Error::indeterminate(&space(), engine()),
            "a change may or may not have been written to thread thd_T of tenant acme; \
             ask again with the same key, or read",
        ),
        (
            Error::indeterminate(&space(), None).during("end_run"),
            "end run may or may not have been written to thread thd_T of tenant acme; \
             ask again with the same key, or read",
        ),
        (
            Error::Unsupported { what: "to scrub a medium that is no file".into() },
            "unsupported: to scrub a medium that is no file",
        ),
        (
            Error::NewerFormat { what: "a.db".into(), needs: 7, has: 1 },
            "a.db needs format 7, and this release reads up to 1; use a newer release",
        ),
    ]
}

#[test]
fn every_error_says_what_was_asked_what_is_and_what_to_do() {
    for (error, wanted) in table() {
        let long = |last: u32| format!("{last:0>26}");
        let said = error.to_string().replace(&long(1), "P").replace(&long(2), "T");
        assert_eq!(said, wanted);
        assert!(!said.ends_with('.') && !said.contains('\n'), "{said}");
        assert!(!said.starts_with(|c: char| c.is_uppercase()), "{said}");
    }
}

#[test]
fn the_table_has_every_error() {
    let name = |error: &Error| {
        let shown = format!("{error:?}");
        shown.split([' ', '{']).next().unwrap_or_default().to_owned()
    };
    let shown: HashSet<String> = table().iter().map(|(error, _)| name(error)).collect();
    let source = include_str!("mod.rs");
    let body = source.split("pub enum Error {").nth(1).and_then(|s| s.split("\n}").next()).unwrap();
    let variants = body.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
    let variants: HashSet<String> = variants.map(str::to_owned).collect();
    assert_eq!(shown, variants);
    let docs = source.split("/// | kind | errors |").nth(1).unwrap();
    let docs = docs.split("#[derive").next().unwrap();
    for variant in variants {
        assert!(
            docs.contains(&format!("`{variant}`")),
            "the docs do not say what to do at {variant}"
        );
    }
}

#[test]
fn samples_and_text_from_outside_are_bounded_and_quoted() {
    assert_eq!(not_empty(ThreadAction::Purge, &[], 0).to_string().matches("more").count(), 0);
    let many = not_empty(ThreadAction::Delete, &[], u64::MAX).to_string();
    assert!(many.contains(&format!("and {} more", u64::MAX)), "{many}");
    let space = Space::new(tenant(), SpaceKind::Thread, u128::MAX);
    let error = Error::corrupt(&space, u64::MAX, "\u{0}\r\n\u{1b}[31m");
    assert!(!error.to_string().contains(char::is_control), "{error}");
}

#[test]
fn only_what_failed_knows_what_was_asked() {
    let named = |error: Error| error.during("append").to_string().contains("append");
    assert!(named(Error::closed(Closure::Store)));
    assert!(named(Error::contended(&space())));
    assert!(named(Error::failed("x")));
    assert!(named(Error::indeterminate(&space(), None)));
    assert!(!named(Error::not_found(THREAD)));
}
