//! Reading a whole thread and checking it.

use crate::{
    command::{Caller, Verified},
    error::{Error, Result},
    id::{Space, ThreadId, Version},
    journal::{Direction, Position, ReadRange, Record, RecordBody},
    record::{Event, check_body, open},
    rules::thread::{Erased, Evicted, Stored},
    store::{inner::StoreInner, state::JournalState},
};

/// Problems named, at most.
const PROBLEMS: usize = 100;

/// What has been checked so far.
struct Verification {
    /// The state so far; none once something was found that cannot be folded over.
    folded: Option<JournalState>,
    last: Option<Position>,
    /// Nonce, index and size of the record before, to see batches whole.
    batch: Option<(u128, u16, u16)>,
    found: Verified,
    /// Records without a body, with the session of an entry; and what records say was erased and evicted.
    missing: Vec<(Version, Option<Version>, String)>,
    erased: Erased,
    evicted: Vec<(Version, Evicted)>,
}

impl Verification {
    fn report(&mut self, version: Version, what: impl Into<String>) {
        self.folded = None;
        if self.found.problems.len() < PROBLEMS {
            self.found.problems.push((version, what.into()));
        }
    }
}

impl StoreInner {
    /// Checks every record: its sum, its body's digest, its link to the record before, its place in its batch, and whether
    /// it folds; then the head, and the position expected (MSG13).
    pub(super) async fn verify(
        &self,
        caller: &Caller,
        thread: ThreadId,
        expected: Option<Position>,
    ) -> Result<Verified> {
        caller.owns(thread.tag(), thread)?;
        let space = thread.space(&caller.tenant);
        let head = self.journal().head(&space).await?.map(|h| h.position);
        if head.is_none() && expected.is_none() {
            return Err(Error::not_found(thread));
        }
        let found = Verified { records: 0, head, problems: Vec::new() };
        let mut check = Verification {
            folded: Some(JournalState::empty(&space)),
            last: None,
            batch: None,
            found,
            missing: Vec::new(),
            erased: Erased::default(),
            evicted: Vec::new(),
        };
        let mut after = 0;
        let upto = head.map_or(0, |h| h.version);
        while after < upto {
            let range =
                ReadRange { stream: None, after, upto, direction: Direction::Forward, limit: 500 };
            match self.journal().read(&space, &range).await {
                Ok(records) if records.is_empty() => {
                    check.report(after + 1, "the record is missing, and all after it");
                    break;
                }
                Ok(records) => {
                    for record in &records {
                        self.verify_record(&space, record, &mut check).await?;
                        if expected
                            .is_some_and(|e| e.version == record.version && e.hash != record.link)
                        {
                            check.report(record.version, "the chain is not the expected one");
                        }
                        after = record.version;
                    }
                }
                Err(Error::Corrupt { version, reason, .. }) => {
                    check.report(version, reason);
                    after = version.max(after + 1);
                    check.last = None;
                }
                Err(error) => return Err(error),
            }
        }
        if let Some((_, index, of)) = check.batch
            && index + 1 != of
        {
            check.report(after, "the last batch is not whole");
        }
        if check.last.is_some() && check.last != head {
            check.report(upto, "the head names another record than the last one");
        }
        if let Some(expected) = expected
            && expected.version > upto
        {
            check.report(
                upto + 1,
                format!("the journal ends before the expected version {}", expected.version),
            );
        }
        self.explain_missing(&space, &mut check).await?;
        let dropped = head.is_some()
            && !check.found.problems.is_empty()
            && self.journal().head(&space).await?.is_none();
        if dropped { Err(Error::not_found(thread)) } else { Ok(check.found) }
    }

    /// Reports bodies that are missing, unless a record says that they were erased or evicted, up to the head or after it.
    async fn explain_missing(&self, space: &Space, check: &mut Verification) -> Result<()> {
        let (erased, evicted) =
            (std::mem::take(&mut check.erased), std::mem::take(&mut check.evicted));
        // What was evicted never comes back to its own record.
        let is_evicted = |session: Option<Version>, version| {
            evicted.iter().any(|(of, evicted)| Some(*of) == session && evicted.holds(version))
        };
        check.missing.retain(|(version, session, _)| {
            erased.erased_by(*version).is_none() && !is_evicted(*session, *version)
        });
        if check.missing.is_empty() {
            return Ok(());
        }
        let now = self.fresh(space).await;
        let later = match &now {
            Ok(state) => Some(state.as_thread()?),
            Err(_) => None,
        };
        for (version, session, why) in std::mem::take(&mut check.missing) {
            if later.is_none_or(|state| state.stored(session, version) == Stored::Here) {
                check.report(version, why);
            }
        }
        Ok(())
    }

    async fn verify_record(
        &self,
        space: &Space,
        record: &Record,
        check: &mut Verification,
    ) -> Result<()> {
        let (version, link) = (record.version, record.link);
        check.found.records += 1;
        let next = check.last.map_or(1, |p| p.version + 1);
        if check.last.is_some() || version == 1 || check.found.records == 1 {
            if version != next {
                check.report(next, "the record is missing");
            } else if !record.follows(check.last) {
                check.report(version, "the link does not follow from the record before");
            }
        }
        check.last = Some(Position { version, hash: link });
        let opened = match open(space, record) {
            Ok(opened) => opened,
            Err(Error::Corrupt { reason, .. }) => {
                check.report(version, reason);
                check.batch = None;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let (index, of, nonce) = (opened.header.index, opened.header.of, opened.header.nonce);
        let follows = match check.batch {
            Some((n, i, o)) if i + 1 < o => nonce == n && index == i + 1 && of == o,
            _ => index == 0,
        };
        if (check.batch.is_some() || version == 1) && !follows {
            check.report(version, "the record is not in its place in its batch");
        }
        check.batch = Some((nonce, index, of));
        match &opened.header.event {
            Event::EntriesErased { versions } => check.erased.add(versions, version),
            Event::EntriesEvicted { session, after, upto, erased, .. } => {
                check.erased.add(erased, version);
                check.evicted.push((*session, Evicted { after: *after, upto: *upto }));
            }
            Event::EntriesReturned { replaces: Some(pack), .. } => {
                check.erased.add(&[(*pack, *pack)], version);
            }
            _ => {}
        }
        let session = opened.header.event.as_entry().map(|entry| entry.session);
        let body = self.body_text(space, &opened).await;
        match body.and_then(|text| match text {
            Some(text) => check_body(space, &opened, text.as_bytes()).map(|()| true),
            None => Ok(false),
        }) {
            Ok(true) => {}
            Ok(false) => check.missing.push((version, session, "the body is missing".into())),
            Err(Error::Corrupt { reason, .. }) if matches!(opened.body, RecordBody::Blob(_)) => {
                check.missing.push((version, session, reason));
            }
            Err(Error::Corrupt { reason, .. }) => check.report(version, reason),
            Err(error) => return Err(error),
        }
        if let Some(state) = &mut check.folded {
            match state.fold(space, record) {
                Ok(true) => {}
                Ok(false) => check.report(version, "the record does not follow in the chain"),
                Err(Error::Corrupt { reason, .. }) => check.report(version, reason),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
