//! What a fold takes: one committed record, or one that may be.

use crate::{
    clock::Timestamp,
    id::Version,
    journal::Stream,
    record::{Body, Draft, Event, KeyMark, Opened},
};

/// `Err` says why a record cannot follow those before it.
pub(crate) type Evolved = std::result::Result<(), &'static str>;

/// One record, as the fold of a state takes it.
#[derive(Debug)]
pub(crate) struct EventRecord<'a> {
    pub(crate) version: Version,
    pub(crate) stream: Stream,
    pub(crate) at: Timestamp,
    pub(crate) event: &'a Event,
    /// `None` where it was erased or lies in a blob.
    pub(crate) body: Option<&'a Body>,
    pub(crate) key: Option<KeyMark>,
    pub(crate) count: u16,
    pub(crate) lease: Option<Version>,
    pub(crate) salt: [u8; 16],
}

impl<'a> EventRecord<'a> {
    /// A record that was decided, at the version it would get.
    pub(crate) fn of_draft(version: Version, draft: &'a Draft) -> Self {
        let salt = draft.sealed.as_ref().map_or_else(|| draft.salt.to_be_bytes(), |s| s.salt);
        let in_blob = draft.sealed.as_ref().is_some_and(|s| s.is_blob());
        Self {
            version,
            stream: draft.stream,
            at: draft.at,
            event: &draft.event,
            body: (!in_blob).then_some(&draft.body),
            key: draft.key,
            count: draft.count.unwrap_or(1),
            lease: draft.lease,
            salt,
        }
    }

    /// A record that was read.
    pub(crate) fn of_opened(opened: &'a Opened, body: &'a Body) -> Self {
        let head = &opened.header;
        Self {
            version: head.version,
            stream: head.stream,
            at: head.at,
            event: &head.event,
            body: (*body != Body::Erased).then_some(body),
            key: head.key,
            count: head.count.unwrap_or(1),
            lease: head.lease,
            salt: opened.salt,
        }
    }

    pub(crate) fn body_or_erased(&self) -> &'a Body {
        self.body.unwrap_or(&Body::Erased)
    }
}
