//! The part of a record that may hold user text, and may be erased.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Effect, Event, decode, encode};
use crate::{
    hash::{Hash, hex128},
    id::{UserId, Version},
    json::Json,
    model::{Actor, Content, Labels, Message, NewSummary, Note, Part, ProjectConfig, RunOutcome},
    workspace::{Label, TreeId},
};

/// Who called, where nothing else is to be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ActorBody {
    pub(crate) by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProjectBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    pub(crate) name: String,
    pub(crate) config: ProjectConfig,
    pub(crate) by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ThreadBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    pub(crate) title: String,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub(crate) labels: Labels,
    pub(crate) by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub(crate) labels: Labels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor>,
    pub(crate) by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EdgeBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purpose: Option<String>,
    /// What an intervention answers that is outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) leaf: Option<String>,
    pub(crate) by: Actor,
}

/// Reading only: a fold wants the authors and skips the message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EntryBody<M = serde::de::IgnoredAny> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor>,
    pub(crate) by: Actor,
    pub(crate) message: M,
}

/// Of `handed_off`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OwnerBody {
    /// The owner from here on.
    pub(crate) to: Actor,
    pub(crate) by: Actor,
}

/// Of a summary. Only the sealing command makes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SummaryBody {
    pub(crate) summary: NewSummary,
    pub(crate) by: Actor,
}

/// Of a draft: its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CollapseBody {
    pub(crate) text: String,
    pub(crate) by: Actor,
}

/// Of a note; what it is for stands in the header. A fold wants the authors and skips the note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NoteBody<N = serde::de::IgnoredAny> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor>,
    pub(crate) by: Actor,
    pub(crate) note: N,
}

/// Of an annotation; how much the entry matters stands in the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnnotationBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor>,
    pub(crate) by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<String>,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub(crate) labels: Labels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    pub(crate) by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunEndBody {
    pub(crate) outcome: RunOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<String>,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub(crate) labels: Labels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    pub(crate) by: Actor,
}

/// Of `entries_returned`: the bodies of entries, each with the salt of its digest. A fold wants the caller only.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReturnedBody {
    pub(crate) entries: Vec<ReturnedEntry>,
    pub(crate) by: Actor,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReturnedEntry {
    pub(crate) version: Version,
    #[serde(with = "hex128")]
    pub(crate) salt: u128,
    pub(crate) body: Box<RawValue>,
}

/// The people the thread's card names stay as they are: who replays the journal cannot read the authors any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErasureBody {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) users: Vec<UserId>,
    pub(crate) by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UsageBody {
    pub(crate) call: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    pub(crate) by: Actor,
}

/// One key of a state that is set, or removed where it has no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChangedValue {
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub(crate) value: Option<Json>,
}

/// A value that stands there is one, `null` too.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(from).map(Some)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StateBody {
    /// Each of another key.
    pub(crate) changes: Vec<ChangedValue>,
    /// All other values of the scope, each with the version that set it: who looks back needs to read no further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) others: Option<Vec<(String, Json, Version)>>,
    pub(crate) by: Actor,
}

impl StateBody {
    /// Bytes of its text, at most. A character is at most six of JSON.
    pub(super) fn weight(&self) -> usize {
        let pair = |key: &str, value: Option<&Json>| {
            64 + 6 * key.len() + value.map_or(0, |value| value.get().len())
        };
        let changes = self.changes.iter().map(|c| pair(&c.key, c.value.as_ref()));
        let others = self.others.iter().flatten().map(|(key, value, _)| pair(key, Some(value)));
        changes.chain(others).sum()
    }
}

/// Of `workspace_reserved`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkspaceBody {
    /// Of its driver.
    pub(crate) kind: String,
    pub(crate) label: Label,
    pub(crate) by: Actor,
}

/// Of `workspace_ready`, `workspace_changed` and `workspace_saved`: what the driver says. What is absent stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FilesBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    /// What was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tree: Option<TreeId>,
    pub(crate) by: Actor,
}

/// Of `archive_reserved` and `session_archived`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ArchiveBody {
    /// The name of the archive.
    pub(crate) backend: String,
    pub(crate) by: Actor,
}

/// A body as the fold takes it. Which variant belongs to a kind is fixed; an erased body is [`Body::Erased`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub(crate) enum Body {
    /// Erased, or never needed to fold because it lies in a blob.
    Erased,
    /// Who called.
    Actor(ActorBody),
    /// Of `project_created` and `project_updated`.
    Project(ProjectBody),
    /// Of `thread_created` and `thread_updated`.
    Thread(ThreadBody),
    /// Of `session_created` and `session_updated`.
    Session(SessionBody),
    /// Of `edge_created` and `edge_updated`.
    Edge(EdgeBody),
    /// The author of an entry of any kind; the fold needs nothing else of it.
    Entry(Actor),
    /// Of `run_started`.
    Run(RunBody),
    /// Of `run_ended`.
    RunEnd(RunEndBody),
    /// Of `usage_booked`.
    Usage(UsageBody),
    /// Of `entries_erased` and `entries_evicted`.
    Erasure(ErasureBody),
    /// Of `state_set`.
    State(StateBody),
    /// Of `handed_off`.
    Owner(Box<OwnerBody>),
    /// Of `summary_sealed`.
    Summary(Box<SummaryBody>),
    /// Of `collapse_proposed`.
    Collapse(Box<CollapseBody>),
    /// Of `workspace_reserved`.
    Workspace(WorkspaceBody),
    /// Of `workspace_ready`, `workspace_changed` and `workspace_saved`.
    Files(FilesBody),
    /// Of `archive_reserved` and `session_archived`.
    Archive(ArchiveBody),
}

impl Body {
    /// Reads the body of a record of this kind.
    pub(crate) fn decode(kind: &Event, text: &str) -> Result<Self, serde_json::Error> {
        fn of<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
            serde_json::from_str(text)
        }
        Ok(match kind {
            Event::ProjectCreated { .. } | Event::ProjectUpdated { .. } => Self::Project(of(text)?),
            Event::ThreadCreated { .. } | Event::ThreadUpdated { .. } => Self::Thread(of(text)?),
            Event::SessionCreated { .. } | Event::SessionUpdated { .. } => Self::Session(of(text)?),
            Event::EdgeCreated { .. } | Event::EdgeUpdated { .. } => Self::Edge(of(text)?),
            Event::Entry { .. }
            | Event::Edit { .. }
            | Event::Compression { .. }
            | Event::Collapsed { .. } => {
                let body: EntryBody = of(text)?;
                Self::Entry(body.actor.unwrap_or(body.by))
            }
            Event::Annotation { .. } => {
                let body: AnnotationBody = of(text)?;
                Self::Entry(body.actor.unwrap_or(body.by))
            }
            Event::Note { .. } => {
                let body: NoteBody = of(text)?;
                Self::Entry(body.actor.unwrap_or(body.by))
            }
            Event::RunStarted { .. } => Self::Run(of(text)?),
            Event::RunEnded { .. } => Self::RunEnd(of(text)?),
            Event::UsageBooked { .. } => Self::Usage(of(text)?),
            Event::EntriesErased { .. } | Event::EntriesEvicted { .. } => Self::Erasure(of(text)?),
            Event::StateSet { .. } => Self::State(of(text)?),
            Event::HandedOff { .. } => Self::Owner(of(text)?),
            Event::SummarySealed { .. } => Self::Summary(of(text)?),
            Event::CollapseProposed { .. } => Self::Collapse(of(text)?),
            Event::WorkspaceReserved { .. } => Self::Workspace(of(text)?),
            Event::WorkspaceReady { .. }
            | Event::WorkspaceChanged { .. }
            | Event::WorkspaceSaved { .. } => Self::Files(of(text)?),
            Event::ArchiveReserved { .. } | Event::SessionArchived { .. } => {
                Self::Archive(of(text)?)
            }
            Event::ProjectArchived { .. }
            | Event::ProjectReopened { .. }
            | Event::ProjectDeleting { .. }
            | Event::ProjectDeleteUndone { .. }
            | Event::ThreadReserved { .. }
            | Event::ExternalIdBound { .. }
            | Event::ThreadArchived { .. }
            | Event::ThreadReopened { .. }
            | Event::SessionStatusSet { .. }
            | Event::SessionReopened { .. }
            | Event::SessionDeleted { .. }
            | Event::EdgeDeleted { .. }
            | Event::FeedTrimmed { .. }
            | Event::Marker { .. }
            | Event::HandoffLocked { .. }
            | Event::HandoffReleased { .. }
            | Event::BroadcastSent { .. }
            | Event::BroadcastEnded { .. }
            | Event::MergeStepped { .. }
            | Event::CollapseRejected { .. }
            | Event::SessionContinued { .. }
            | Event::ForkMerged { .. }
            | Event::ContextLimitSet { .. }
            | Event::ContextMeasured { .. }
            | Event::RunStatusSet { .. }
            | Event::BudgetUsedUp { .. }
            | Event::SliceDrawn { .. }
            | Event::SliceSettled { .. }
            | Event::SlicesBegun { .. }
            | Event::SlicesEnded { .. }
            | Event::SliceCredited { .. }
            | Event::SliceReturned { .. }
            | Event::LeaseGranted { .. }
            | Event::LeaseRenewed { .. }
            | Event::LeasesExpired { .. }
            | Event::LeaseReleased { .. }
            | Event::WorkspaceLeaked { .. }
            | Event::WorkspaceDisposed { .. }
            | Event::ArchiveAbandoned { .. }
            | Event::EntriesReturned { .. }
            | Event::SessionRestored { .. } => Self::Actor(of(text)?),
        })
    }

    /// The external id of the project, thread or session that it creates.
    pub(crate) fn external_id(&self) -> Option<&str> {
        match self {
            Self::Project(body) => body.external_id.as_deref(),
            Self::Thread(body) => body.external_id.as_deref(),
            Self::Session(body) => body.external_id.as_deref(),
            _ => None,
        }
    }

    /// The text that is stored. An entry's is made once, when the call comes in, by [`encode_entry`](Self::encode_entry).
    pub(crate) fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Erased | Self::Entry(_) => Ok(String::new()),
            Self::Actor(body) => serde_json::to_string(body),
            Self::Project(body) => serde_json::to_string(body),
            Self::Thread(body) => serde_json::to_string(body),
            Self::Session(body) => serde_json::to_string(body),
            Self::Edge(body) => serde_json::to_string(body),
            Self::Run(body) => serde_json::to_string(body),
            Self::RunEnd(body) => serde_json::to_string(body),
            Self::Usage(body) => serde_json::to_string(body),
            Self::Erasure(body) => serde_json::to_string(body),
            Self::State(body) => serde_json::to_string(body),
            Self::Owner(body) => serde_json::to_string(body),
            Self::Summary(body) => serde_json::to_string(body),
            Self::Collapse(body) => serde_json::to_string(body),
            Self::Workspace(body) => serde_json::to_string(body),
            Self::Files(body) => serde_json::to_string(body),
            Self::Archive(body) => serde_json::to_string(body),
        }
    }

    /// The text of an entry.
    pub(crate) fn encode_entry(
        by: &Actor,
        actor: Option<&Actor>,
        content: &Content,
    ) -> Result<String, serde_json::Error> {
        let actor = actor.filter(|a| *a != by);
        match content {
            Content::Annotation { reason, .. } => serde_json::to_string(&AnnotationBody {
                actor: actor.cloned(),
                by: by.clone(),
                reason: reason.clone(),
            }),
            Content::Note { note, .. } => {
                serde_json::to_string(&NoteBody { actor: actor.cloned(), by: by.clone(), note })
            }
            Content::Marker(_) => serde_json::to_string(&ActorBody { by: by.clone() }),
            Content::Message(message)
            | Content::Edit { message, .. }
            | Content::Compression { message, .. } => encode::entry(by, actor, message),
        }
    }
}

/// The reader level that a body needs, but for an entry's: 3 where it names a model or its provider, 6 where a run ended
/// because of a sub-session or of a sweep, or a project has a budget.
pub(super) const fn level_of_body(body: &Body) -> u16 {
    let (model, provider) = match body {
        Body::Run(body) => (&body.model, &body.provider),
        Body::Project(body) if body.config.budget.is_some() => return 6,
        Body::RunEnd(body) if !body.outcome.is_for_callers() => return 6,
        Body::RunEnd(body) => (&body.model, &body.provider),
        Body::Usage(body) => (&body.model, &body.provider),
        _ => return 1,
    };
    if model.is_some() || provider.is_some() { 3 } else { 1 }
}

/// The reader level that an entry needs: 6 for notes and markers, 4 for all else but messages.
pub(crate) fn level_of(content: &Content) -> u16 {
    match content {
        Content::Message(message) if message.parts.iter().all(Part::is_of_level_1) => 1,
        Content::Message(_) => 3,
        Content::Edit { .. } | Content::Annotation { .. } | Content::Compression { .. } => 4,
        Content::Note { .. } | Content::Marker(_) => 6,
    }
}

/// Authors remembered on one page.
const AUTHORS: usize = 4;

/// Reads the bodies of one page's entries, whose authors repeat: what stands before the message is read once for each.
#[derive(Debug, Default)]
pub(crate) struct EntryReader(Vec<(String, Actor)>);

/// What the body of an entry says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EntryText {
    pub(crate) actor: Actor,
    /// Of messages, edits and compressions.
    pub(crate) message: Option<Message>,
    /// Of an annotation.
    pub(crate) reason: Option<String>,
    pub(crate) note: Option<Note>,
}

impl EntryReader {
    /// The body of an entry that does this.
    pub(crate) fn read(
        &mut self,
        effect: Effect,
        text: &str,
    ) -> Result<EntryText, serde_json::Error> {
        if let Effect::Annotation(..) = effect {
            let AnnotationBody { actor, by, reason } = serde_json::from_str(text)?;
            let actor = actor.unwrap_or(by);
            return Ok(EntryText { actor, message: None, reason, note: None });
        }
        if let Effect::Note(_) = effect {
            let NoteBody { actor, by, note } = serde_json::from_str(text)?;
            let actor = actor.unwrap_or(by);
            return Ok(EntryText { actor, message: None, reason: None, note: Some(note) });
        }
        if let Effect::Marker(_) = effect {
            let ActorBody { by: actor } = serde_json::from_str(text)?;
            return Ok(EntryText { actor, message: None, reason: None, note: None });
        }
        let (actor, message) = self.message(text)?;
        Ok(EntryText { actor, message: Some(message), reason: None, note: None })
    }

    /// The author and the message.
    fn message(&mut self, text: &str) -> Result<(Actor, Message), serde_json::Error> {
        for (before, actor) in &self.0 {
            let message = text.strip_prefix(before.as_str()).and_then(|m| m.strip_suffix('}'));
            let Some(message) = message else { continue };
            let short = decode::message(message);
            if let Some(message) = short.or_else(|| serde_json::from_str(message).ok()) {
                return Ok((actor.clone(), message));
            }
        }
        let EntryBody { actor, by, message } = serde_json::from_str(text)?;
        let mut before = String::from("{");
        if let Some(actor) = &actor {
            before += &format!("\"actor\":{},", serde_json::to_string(actor)?);
        }
        before += &format!("\"by\":{},\"message\":", serde_json::to_string(&by)?);
        let actor = actor.unwrap_or(by);
        if text.starts_with(&before) {
            self.0.truncate(AUTHORS - 1);
            self.0.insert(0, (before, actor.clone()));
        }
        Ok((actor, message))
    }
}

/// The digest that stands in the header for a body.
pub(crate) fn digest(salt: &[u8; 16], text: &[u8]) -> Hash {
    Hash::of(&[salt, text])
}
