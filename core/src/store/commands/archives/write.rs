//! Writing a bundle: its parts, then its manifest.

use super::read::{Bodies, Bundle};
use crate::{
    archive::{
        ArchiveBackend, BundleName, BundleWriter, Kept, Manifest, ManifestBody, PARTS_FROM, Part,
        SavedWorkspace,
    },
    command::Caller,
    error::{Error, Result},
    id::{ArchiveId, SessionId, Space, Version, WorkspaceId},
    journal::{Direction, ReadRange, Record, RecordBody},
    record::{Event, Lane, check_body, open},
    rules::decision::WrittenBundle,
    store::{
        answers::{Payload, ThreadAtHead},
        inner::StoreInner,
    },
};

/// Records of one read.
const PIECE: usize = 256;

/// The parts that are written so far, and what is in them.
struct Written<'a> {
    backend: &'a dyn ArchiveBackend,
    bundle: BundleName,
    writer: BundleWriter,
    parts: Vec<Part>,
    entries: u64,
    summaries: u64,
}

impl Written<'_> {
    /// Ends a part, if it has any lines.
    async fn end_part(&mut self) -> Result<()> {
        if self.writer.bytes() == 0 {
            return Ok(());
        }
        let lines = self.writer.take();
        let part = Part::of(format!("{:08}", self.parts.len() + 1), &lines);
        self.backend.put(&self.bundle.part(&part.name), &lines).await?;
        self.parts.push(part);
        Ok(())
    }
}

impl StoreInner {
    /// The bodies in the bundle that a session has, where some stand nowhere else.
    pub(super) async fn evicted_bodies<'a>(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        session: SessionId,
        backend: &'a dyn ArchiveBackend,
    ) -> Result<Option<Bodies<'a>>> {
        let it = at.state()?.session(session.version());
        let archived = it.and_then(|it| it.archived.as_deref()).filter(|it| it.evicted.is_some());
        let Some(archived) = archived else { return Ok(None) };
        let archive = ArchiveId::new(at.id(), archived.archive);
        let name = self.bundle_name(caller, archive);
        Bundle::open(backend, name, session, archived).await.map(|it| Some(it.into()))
    }

    /// Writes what there is of a session up to the record that reserved the bundle, the manifest last. What was evicted is
    /// taken from the bundle before.
    pub(super) async fn write_bundle(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        (session, archive): (SessionId, ArchiveId),
        backend: &dyn ArchiveBackend,
        mut before: Option<Bodies<'_>>,
    ) -> Result<WrittenBundle> {
        let space = session.thread().space(&caller.tenant);
        let mut written = Written {
            backend,
            bundle: self.bundle_name(caller, archive),
            writer: BundleWriter::default(),
            parts: Vec::new(),
            entries: 0,
            summaries: 0,
        };
        for lane in [Lane::Rest, Lane::Log, Lane::Runs, Lane::Usage] {
            let mut after = 0;
            loop {
                let range = ReadRange {
                    stream: Some(lane.of(session.version())),
                    after,
                    upto: archive.version(),
                    direction: Direction::Forward,
                    limit: PIECE,
                };
                let records = self.journal().read(&space, &range).await?;
                let Some(last) = records.last() else { break };
                after = last.version;
                for record in &records {
                    let (event, kept) = self.kept(at, &space, record, &mut before).await?;
                    written.entries += u64::from(event.as_entry().is_some());
                    written.summaries += u64::from(matches!(event, Event::SummarySealed { .. }));
                    written.writer.push(&kept)?;
                    if written.writer.bytes() >= PARTS_FROM {
                        written.end_part().await?;
                    }
                }
            }
        }
        written.end_part().await?;
        let body = ManifestBody {
            format: ManifestBody::FORMAT,
            tenant: caller.tenant.clone(),
            session,
            archive,
            records: written.writer.records,
            entries: written.entries,
            summaries: written.summaries,
            workspace: self.saved_workspace(at, session.version())?,
        };
        let manifest = Manifest { body, chain: written.writer.chain(), parts: written.parts };
        backend.put(&written.bundle.manifest(), &manifest.encode()?).await?;
        Ok(WrittenBundle {
            archive: archive.version(),
            backend: String::new(),
            records: manifest.body.records,
            entries: manifest.body.entries,
            digest: manifest.digest()?,
        })
    }

    /// A record as a bundle keeps it, with its body, checked: one that is damaged does not get into a bundle.
    async fn kept(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        record: &Record,
        before: &mut Option<Bodies<'_>>,
    ) -> Result<(Event, Kept)> {
        let opened = open(space, record)?;
        if let RecordBody::Inline(text) = &opened.body {
            check_body(space, &opened, text.as_bytes())?;
        }
        let kept = match self.payload(at, space, &opened).await? {
            Payload::Here { salt, text } => Kept::new(record, Some((salt, &text))),
            Payload::Erased => Kept::new(record, None),
            Payload::Evicted { .. } => match before {
                Some(before) => before.take(record.version).await?,
                // It was evicted while this bundle was written.
                None => return Err(Error::contended(space)),
            },
        };
        Ok((opened.header.event, kept))
    }

    fn saved_workspace(
        &self,
        at: &ThreadAtHead,
        session: Version,
    ) -> Result<Option<SavedWorkspace>> {
        let state = at.state()?;
        let Some(version) = state.workspace_of.get(&session) else { return Ok(None) };
        let Some(it) = state.workspaces.get(version) else { return Ok(None) };
        let id = WorkspaceId::new(at.id(), *version);
        Ok(Some(SavedWorkspace {
            id,
            kind: it.kind.as_ref().to_owned(),
            name: self.workspace_name(id, it).to_string(),
            reference: it.reference.as_deref().map(str::to_owned),
            saved: it.saved.as_ref().map(ToString::to_string),
        }))
    }
}
