//! Retention: archives the sub-sessions that projects keep no longer (ARC5).

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use super::archive::Attempt;
use crate::{
    archive::{Retain, RetainOutcome, Retained, RetentionReason},
    command::Caller,
    error::{Error, ErrorKind, Result},
    id::{ProjectId, SessionId, ThreadId, Version},
    model::{Retention, SubSessionStatus},
    rules::{
        decision::Wanted,
        thread::{SessionState, ThreadState},
    },
    store::inner::StoreInner,
};

/// A sub-session that is kept no longer, and its last record by then.
struct Candidate {
    session: SessionId,
    why: RetentionReason,
    after: Version,
}

impl StoreInner {
    pub(in crate::store) async fn retain(
        &self,
        caller: &Caller,
        retain: Retain,
    ) -> Result<Vec<Retained>> {
        if let Some(project) = retain.project {
            caller.owns(project.tag(), project)?;
        }
        let mut rules: HashMap<ProjectId, Retention> = HashMap::new();
        let mut retained = Vec::new();
        let is_wanted = |project| retain.project.is_none_or(|only| only == project);
        let threads =
            self.threads_where(caller, |card| card.sessions > 1 && is_wanted(card.project)).await?;
        for thread in threads {
            let space = thread.space(&caller.tenant);
            let state = self.fresh(&space).await?;
            let state = state.as_thread()?;
            let Some(project) = state.thread.as_deref().map(|thread| thread.project) else {
                continue;
            };
            let rule = match rules.entry(project) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let config = self.project_caps(caller, project).await?.map(|it| it.config);
                    unknown.insert(config.map(|it| it.retention).unwrap_or_default())
                }
            };
            let Some(backend) = &rule.archive_backend else { continue };
            for candidate in self.candidates(caller, thread, state, rule) {
                let Candidate { session, why, after } = candidate;
                let outcome = if retain.dry_run {
                    RetainOutcome::Found
                } else {
                    let tried =
                        self.try_archive(caller, session, Some(backend), Wanted::After(after));
                    let tried = match Box::pin(tried).await {
                        Ok(Attempt::Archived(archive)) if rule.evict => {
                            let evicted = Box::pin(self.evict(caller, session, archive)).await;
                            evicted.map(Attempt::Archived)
                        }
                        tried => tried,
                    };
                    outcome(tried)
                };
                retained.push(Retained::new(session, why, outcome));
            }
        }
        Ok(retained)
    }

    /// The sub-sessions of a thread that its project keeps no longer, those first that were written to longest ago, then those
    /// that are archived and whose entries are to leave. What could not be archived is none.
    fn candidates(
        &self,
        caller: &Caller,
        thread: ThreadId,
        state: &ThreadState,
        rule: &Retention,
    ) -> Vec<Candidate> {
        if state.require_not_archived(thread).is_err() {
            return Vec::new();
        }
        let time @ (now, skew) = (self.options().clock.now(), self.options().max_skew);
        let kept = state.sessions.iter().filter_map(|(version, session)| {
            let edge = state.edge(session.parent?)?;
            (edge.status != SubSessionStatus::Archived).then_some((*version, session))
        });
        let kept: Vec<_> = kept.collect();
        let limit = rule.max_sub_sessions.and_then(|limit| usize::try_from(limit).ok());
        let mut too_many = limit.map_or(0, |limit| kept.len().saturating_sub(limit));
        let is_archivable = |(version, session): &(Version, &SessionState)| {
            state.require_archivable(thread, (*version, session), caller, time).is_ok()
        };
        let mut over: Vec<_> = kept
            .into_iter()
            .map(|(version, session)| (version, &**session))
            .filter(is_archivable)
            .collect();
        over.sort_by_key(|(version, session)| (session.updated_at, *version));
        let mut candidates = Vec::new();
        for (version, session) in over {
            let is_idle = rule
                .idle_sub_session_ttl
                .is_some_and(|ttl| now > session.updated_at.plus(ttl).plus(skew));
            let why = match (is_idle, too_many) {
                (true, _) => RetentionReason::Idle,
                (false, 0) => continue,
                (false, _) => RetentionReason::TooMany,
            };
            too_many = too_many.saturating_sub(1);
            let session_id = SessionId::new(thread, version);
            candidates.push(Candidate { session: session_id, why, after: session.last_record });
        }
        let is_left = |(version, session): &(&Version, &Arc<SessionState>)| {
            let archived = session.archived.as_deref().filter(|_| session.parent.is_some());
            archived.is_some_and(|it| it.evicted.is_none() && state.evictable(**version).is_some())
        };
        for (version, session) in state.sessions.iter().filter(|it| rule.evict && is_left(it)) {
            let (session_id, why) = (SessionId::new(thread, *version), RetentionReason::NotEvicted);
            candidates.push(Candidate { session: session_id, why, after: session.last_record });
        }
        candidates
    }
}

fn outcome(tried: Result<Attempt>) -> RetainOutcome {
    match tried {
        Ok(Attempt::Archived(archive)) => RetainOutcome::Archived(archive),
        Ok(Attempt::InUse) => RetainOutcome::InUse,
        Err(error) => match error.kind() {
            // Somebody works in it by now, archives it too, or deleted it.
            ErrorKind::Fenced | ErrorKind::Contended | ErrorKind::NotFound | ErrorKind::Closed => {
                RetainOutcome::InUse
            }
            ErrorKind::Precondition if !matches!(error, Error::ArchiveNotConfigured { .. }) => {
                RetainOutcome::InUse
            }
            _ => RetainOutcome::Failed(error.to_string()),
        },
    }
}
