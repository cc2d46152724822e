//! The service.

use adk_core::{
    Result,
    identity::{AdkIdentity, SessionId},
};
use adk_session::{
    AppendEventRequest, CreateRequest, DeleteRequest, Event, GetRequest, KEY_PREFIX_TEMP,
    ListRequest, Session, SessionService, extract_state_deltas, merge_states,
};
use async_trait::async_trait;
use sessile_core::{
    command::{Append, NewProject, NewSession, NewThread, Paging},
    error::{self, ErrorKind},
    handle::Handle,
    id::{self, ThreadId},
    json::Json,
    model,
};

use crate::{
    error::{failed, invalid, not_found},
    event, index,
    session::Stored,
    state::{Values, changes, time, values},
};

/// The external id of the project whose threads keep the state of apps.
const APPS: &str = "adk:apps";
/// How the external ids of projects begin that belong to this crate.
const RESERVED: &str = "adk:";

/// A [`SessionService`] on a store.
///
/// An app is a project, a user a thread in it, a session a session in that, each under its name as the external id; an event is
/// an entry. Events come back equal, with fields that ADK's own SQLite service drops, and every tool on the store shows them.
///
/// - State of the session and of the user changes in the commit of the event. `app:` keys are shared by all users and are
///   committed just before it: after a crash they may be there without the event. `temp:` keys are dropped.
/// - A second session of one identity is refused with the code `session.exists`, also if both are created at once.
/// - Events are in the order of their appends, whatever their timestamps say. `num_recent_events` reads those alone;
///   `after` reads all (of those) and drops what is older.
/// - [`append_event`](SessionService::append_event) finds a session by its id alone: three look-ups, however many there are. An
///   id that several users have is refused with the code `session.ambiguous`;
///   [`append_event_for_identity`](SessionService::append_event_for_identity) is never ambiguous.
/// - A name has 1 to 512 bytes and no control characters, the name of an app does not begin with `adk:`; others are refused.
///   A state has at most 1,024 keys of 1 to 256 bytes, prefix not counted, and 256 KiB, for each app, user and session.
/// - Deleting sessions leaves the state of their user and app, as ADK's services do.
///
/// An error has Sessile's as its source. `session.indeterminate` says that the write may have happened; it is not retryable,
/// because a second append is a second event. Not promised: `rewind`, which is answered as ADK's default does.
#[derive(Clone, Debug)]
pub struct SessileSessionService {
    handle: Handle,
}

impl SessileSessionService {
    /// The sessions of the handle's tenant, as its caller.
    pub const fn new(handle: Handle) -> Self {
        Self { handle }
    }

    async fn thread(&self, app: &str, user: &str) -> Result<Option<ThreadId>> {
        check(app)?;
        let project = self.handle.project_by_external_id(app).await.map_err(failed)?;
        let Some(project) = project else { return Ok(None) };
        let thread = self.handle.thread_by_external_id(project.id, user).await.map_err(failed)?;
        Ok(thread.map(|thread| thread.id))
    }

    async fn find(&self, identity: &AdkIdentity) -> Result<model::Session> {
        let (app, user) = (identity.app_name.as_ref(), identity.user_id.as_ref());
        let session = identity.session_id.as_ref();
        let found = match self.thread(app, user).await? {
            Some(it) => self.handle.session_by_external_id(it, session).await.map_err(failed)?,
            None => None,
        };
        found.ok_or_else(|| not_found(app, user, session))
    }

    async fn app_state(&self, app: &str) -> error::Result<Values> {
        let Some(apps) = self.handle.project_by_external_id(APPS).await? else {
            return Ok(Values::new());
        };
        match self.handle.thread_by_external_id(apps.id, app).await? {
            Some(thread) => values(&self.handle.state(thread.id).await?),
            None => Ok(Values::new()),
        }
    }

    async fn set_app_state(&self, app: &str, delta: &Values) -> error::Result<()> {
        if delta.is_empty() {
            return Ok(());
        }
        let apps = NewProject::named(APPS).with_external_id(APPS);
        let apps = self.handle.create_project(apps).await?;
        let thread = NewThread::titled(title(app)).with_external_id(app);
        let thread = self.handle.create_thread(apps, thread).await?;
        self.handle.set_state(thread, changes(delta)?).await.map(|_| ())
    }

    async fn read(
        &self,
        identity: AdkIdentity,
        session: &model::Session,
        recent: Option<usize>,
    ) -> error::Result<Stored> {
        let app = self.app_state(identity.app_name.as_ref()).await?;
        let user = values(&self.handle.state(session.thread).await?)?;
        let own = values(&self.handle.state(session.id).await?)?;
        let mut entries = Vec::new();
        match recent {
            None => entries = self.handle.entries(session.id).page_size(1000).all().await?,
            Some(0) => {}
            Some(count) => {
                let list = self.handle.entries(session.id).backward();
                let mut list = list.page_size(count.min(1000));
                while entries.len() < count
                    && let Some(entry) = list.try_next().await?
                {
                    entries.push(entry);
                }
                entries.reverse();
            }
        }
        let events = entries.into_iter().filter_map(|entry| event::to_event(entry).transpose());
        let (state, events) =
            (merge_states(&app, &user, &own), events.collect::<error::Result<_>>()?);
        Ok(Stored { identity, state, events, updated: time(session.updated_at) })
    }

    async fn write(
        &self,
        app: &str,
        session: id::SessionId,
        mut event: Event,
    ) -> error::Result<()> {
        event.actions.state_delta.retain(|key, _| !key.starts_with(KEY_PREFIX_TEMP));
        let (of_app, user, own) = extract_state_deltas(&event.actions.state_delta);
        let append = Append::from(event::to_entry(event)?)
            .with_state(changes(&own)?)
            .with_thread_state(changes(&user)?);
        self.set_app_state(app, &of_app).await?;
        self.handle.append(session, append).await.map(|_| ())
    }

    async fn remove(&self, thread: ThreadId, session: &str) -> Result<()> {
        let noted = index::find(&self.handle, session, thread).await?;
        let found = self.handle.session_by_external_id(thread, session).await.map_err(failed)?;
        if let Some(found) = found {
            self.handle.delete_session(found.id).await.map_err(failed)?;
        }
        match noted {
            Some(noted) => index::remove(&self.handle, noted, thread).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl SessionService for SessileSessionService {
    async fn create(&self, req: CreateRequest) -> Result<Box<dyn Session>> {
        let session_id = req.try_session_id()?.unwrap_or_else(SessionId::generate);
        let identity = AdkIdentity::new(req.try_app_name()?, req.try_user_id()?, session_id);
        let (app, user) = (req.app_name.as_str(), req.user_id.as_str());
        let session = identity.session_id.as_ref();
        check(app)?;
        let (of_app, of_user, own) = extract_state_deltas(&req.state);
        let of_user = changes(&of_user).map_err(failed)?;
        let mut new = NewSession::named(title(session)).with_external_id(session);
        for (key, value) in own {
            new = new.with_state(key, Json::from_value(&value).map_err(failed)?);
        }
        let project = NewProject::named(title(app)).with_external_id(app);
        let project = self.handle.create_project(project).await.map_err(failed)?;
        let thread = NewThread::titled(title(user)).with_external_id(user);
        let id = self.handle.create_thread(project, thread.clone()).await.map_err(failed)?;
        let noted = index::add(&self.handle, session, id).await?;
        let begun = self.handle.begin_thread(project, thread, new).await.map_err(failed)?;
        if !begun.session.created {
            let text = format!("the user {user:?} of the app {app:?} has a session {session:?}");
            return Err(invalid("session.exists", text));
        }
        index::confirm(&self.handle, noted, id).await?;
        if !of_user.is_empty() {
            self.handle.set_state(begun.thread.id, of_user).await.map_err(failed)?;
        }
        self.set_app_state(app, &of_app).await.map_err(failed)?;
        let found = self.find(&identity).await?;
        Ok(Box::new(self.read(identity, &found, Some(0)).await.map_err(failed)?))
    }

    async fn get(&self, req: GetRequest) -> Result<Box<dyn Session>> {
        let identity = req.try_identity()?;
        let found = self.find(&identity).await?;
        let read = self.read(identity, &found, req.num_recent_events).await;
        let mut session = read.map_err(failed)?;
        if let Some(after) = req.after {
            session.events.retain(|event| event.timestamp >= after);
        }
        Ok(Box::new(session))
    }

    /// The sessions with their state and without their events, by their last change, newest first.
    async fn list(&self, req: ListRequest) -> Result<Vec<Box<dyn Session>>> {
        let (app_name, user_id) = (req.try_app_name()?, req.try_user_id()?);
        let Some(thread) = self.thread(&req.app_name, &req.user_id).await? else {
            return Ok(Vec::new());
        };
        let app = self.app_state(&req.app_name).await.map_err(failed)?;
        let user = self.handle.state(thread).await.and_then(|it| values(&it)).map_err(failed)?;
        let rows = self.handle.sessions(thread).with_state().page_size(1000).all().await;
        let mut rows = rows.map_err(failed)?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.updated_at));
        let wanted = rows.into_iter().skip(req.offset.unwrap_or(0));
        let mut sessions = Vec::<Box<dyn Session>>::new();
        for row in wanted.take(req.limit.unwrap_or(usize::MAX)) {
            let Some(session) = row.external_id else { continue };
            let session = SessionId::try_from(session)?;
            let identity = AdkIdentity::new(app_name.clone(), user_id.clone(), session);
            let own = values(&row.state.unwrap_or_default()).map_err(failed)?;
            let (state, updated) = (merge_states(&app, &user, &own), time(row.updated_at));
            sessions.push(Box::new(Stored { identity, state, events: Vec::new(), updated }));
        }
        Ok(sessions)
    }

    async fn delete(&self, req: DeleteRequest) -> Result<()> {
        req.try_identity()?;
        match self.thread(&req.app_name, &req.user_id).await? {
            Some(thread) => self.remove(thread, &req.session_id).await,
            None => Ok(()),
        }
    }

    async fn append_event(&self, session_id: &str, event: Event) -> Result<()> {
        let session = SessionId::try_from(session_id)?;
        let found = index::sessions(&self.handle, session.as_ref()).await?;
        let only = match found.as_slice() {
            [only] => only,
            [] => return Err(not_found("any", "any", session_id)),
            _ => {
                let text = format!("{} users have a session {session_id:?}", found.len());
                return Err(invalid("session.ambiguous", text));
            }
        };
        let project = self.handle.project(only.project).await.map_err(failed)?;
        let app = project.and_then(|project| project.external_id).unwrap_or_default();
        self.write(&app, only.id, event).await.map_err(failed)
    }

    async fn append_event_for_identity(&self, req: AppendEventRequest) -> Result<()> {
        let app = req.identity.app_name.as_ref();
        // What this process knows costs no look-up. It may be old, but the append is decided at the head, where a session
        // that was deleted is missing.
        let remembering = Self::new(self.handle.cached());
        if let Ok(found) = remembering.find(&req.identity).await {
            match self.write(app, found.id, req.event.clone()).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => return done.map_err(failed),
            }
        }
        let found = self.find(&req.identity).await?;
        self.write(app, found.id, req.event).await.map_err(failed)
    }

    async fn delete_all_sessions(&self, app_name: &str, user_id: &str) -> Result<()> {
        let Some(thread) = self.thread(app_name, user_id).await? else { return Ok(()) };
        for row in self.handle.sessions(thread).page_size(1000).all().await.map_err(failed)? {
            if let Some(session) = row.external_id {
                self.remove(thread, &session).await?;
            }
        }
        Ok(())
    }

    async fn health_check(&self) -> Result<()> {
        self.handle.projects().page(Paging::first(1)).await.map(|_| ()).map_err(failed)
    }
}

fn check(app: &str) -> Result<()> {
    if app.starts_with(RESERVED) {
        let text = format!("{app:?} begins with {RESERVED:?}, which names of apps must not");
        return Err(invalid("session.invalid", text));
    }
    Ok(())
}

/// The beginning of a name: 64 characters have at most the 256 bytes of a title.
fn title(name: &str) -> String {
    name.chars().take(64).collect()
}
