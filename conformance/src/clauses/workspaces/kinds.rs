//! WSP11: which kind of workspace a session gets.

use sessile_core::{
    ErrorKind,
    command::{
        CreatedSession, GivenWorkspace, Need, NewProject, NewSession, NewThread, NewWorkspace,
        SessionCommand, SessionOutcome,
    },
    id::ThreadId,
    model::ProjectConfig,
    store::SessionStore,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{refused, unchanged},
        workspaces::Lab,
    },
};

crate::clauses! { WSP11 => wsp11 }

const UNKNOWN: &str = "no-such-driver";

async fn thread_with(lab: &Lab, config: ProjectConfig) -> ThreadId {
    let project = NewProject::named("project").with_config(config);
    let project = lab.handle().create_project(project).await.expect("a project");
    lab.handle().create_thread(project, NewThread::titled("thread")).await.expect("a thread")
}

async fn created(lab: &Lab, thread: ThreadId, new: NewSession) -> CreatedSession {
    let command = SessionCommand::CreateSession { thread, session: Box::new(new) };
    match lab.store.apply(&lab.caller, command).await.expect("a session") {
        SessionOutcome::SessionCreated(made) => made,
        other => panic!("{other:?}"),
    }
}

/// What the caller names, else the project's default, else none; an unknown kind is refused before anything is done where it
/// is required, and gives none, and says so, where it is not.
pub async fn wsp11(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let kind_of = |made: CreatedSession| {
        let handle = handle.clone();
        async move {
            let id = made.workspace.id()?;
            Some(handle.workspace(id).await.expect("an answer").expect("its record").kind)
        }
    };
    // None by default.
    let plain = created(&lab, lab.thread, NewSession::named("plain")).await;
    assert_eq!(plain.workspace, GivenWorkspace::None);
    let unnamed = NewSession::named("unnamed").with_workspace(NewWorkspace::default());
    let unnamed = created(&lab, lab.thread, unnamed).await;
    assert_eq!(unnamed.workspace, GivenWorkspace::None, "neither names a kind");

    // The project's default, unless the caller says otherwise.
    let default = ProjectConfig::default().with_workspace(lab.kind.as_str(), Need::Required);
    let thread = thread_with(&lab, default).await;
    let by_default = created(&lab, thread, NewSession::named("Fix the Login!")).await;
    assert_eq!(kind_of(by_default).await.as_deref(), Some(&*lab.kind));
    let id = by_default.workspace.id().expect("a workspace");
    let record = handle.workspace(id).await.expect("an answer").expect("its record");
    assert_eq!(record.label.as_str(), "fix-the-login", "made of the session's name");
    let without = NewSession::named("none").without_workspace();
    assert_eq!(created(&lab, thread, without).await.workspace, GivenWorkspace::None);
    let named = NewSession::named("other").with_workspace(NewWorkspace::of_kind("virtual"));
    let named = created(&lab, thread, named).await;
    assert_eq!(kind_of(named).await.as_deref(), Some("virtual"), "what the caller names");

    // Unknown: refused with nothing written, or none, and said so.
    let journal = cx.journal().await;
    let unknown = || NewWorkspace::of_kind(UNKNOWN);
    let optional = ProjectConfig::default().with_workspace(UNKNOWN, Need::IfRegistered);
    let required = ProjectConfig::default().with_workspace(UNKNOWN, Need::Required);
    let (optional, required) =
        (thread_with(&lab, optional).await, thread_with(&lab, required).await);
    let bare = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    unchanged(&*journal, &[&lab.caller.tenant], async {
        let new = NewSession::named("refused").with_workspace(unknown());
        let error = refused(handle.create_session(thread, new).await, ErrorKind::Unsupported);
        assert!(error.to_string().contains(UNKNOWN), "{error}");
        refused(handle.create_session(required, "refused").await, ErrorKind::Unsupported);
        refused(handle.create_workspace(bare, unknown()).await, ErrorKind::Unsupported);
        let if_registered = unknown().if_registered();
        let given = handle.create_workspace(bare, if_registered).await.expect("an answer");
        assert_eq!(given, GivenWorkspace::NotRegistered);
    })
    .await;
    let wanted = created(&lab, optional, NewSession::named("wanted")).await;
    assert_eq!(wanted.workspace, GivenWorkspace::NotRegistered);
    let wanted = NewSession::named("wanted").with_workspace(unknown().if_registered());
    assert_eq!(created(&lab, thread, wanted).await.workspace, GivenWorkspace::NotRegistered);

    // Asked again with its key, or under its external id, it is the same session with the same workspace.
    let keyed = handle.with_key("once");
    let new = || {
        NewSession::named("once")
            .with_external_id("the once")
            .with_workspace(lab.new_workspace("once"))
    };
    let once = keyed.create_session(lab.thread, new()).await.expect("a session");
    let shown = handle.session(once).await.expect("an answer").expect("the session");
    for handle in [&keyed, &handle] {
        let again = handle.create_session(lab.thread, new()).await.expect("the same");
        assert_eq!(again, once);
    }
    let again = handle.session(once).await.expect("an answer").expect("the session");
    assert_eq!(again, shown);
    assert!(shown.workspace.is_some());
    // Also when what it began as is gone.
    let (_, source) = lab.workspace("source").await;
    let branch = || NewSession::named("late").with_workspace(NewWorkspace::branch_of(source));
    let keyed = handle.with_key("late");
    let late = keyed.create_session(lab.thread, branch()).await.expect("a session");
    handle.dispose_of_workspace(source, true).await.expect("it goes");
    assert_eq!(keyed.create_session(lab.thread, branch()).await.expect("the same"), late);
    refused(handle.create_session(lab.thread, branch()).await, ErrorKind::NotFound);
    lab.agrees_in(&[thread, lab.thread]).await;
    Verdict::Passed
}
