//! Writing a bundle: its parts, then its manifest.

use crate::{
    archive::{
        ArchiveBackend, BundleName, BundleWriter, Kept, Manifest, ManifestBody, PARTS_FROM, Part,
        SavedWorkspace,
    },
    command::Caller,
    error::Result,
    id::{ArchiveId, SessionId, Space, Version, WorkspaceId},
    journal::{Direction, ReadRange, Record, RecordBody},
    record::{Event, Lane, check_body, open},
    rules::decision::WrittenBundle,
    store::{answers::ThreadAtHead, inner::StoreInner},
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
    /// Writes what there is of a session up to the record that reserved the bundle, the manifest last.
    pub(super) async fn write_bundle(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        session: SessionId,
        archive: ArchiveId,
        backend: &dyn ArchiveBackend,
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
                    let (event, kept) = self.kept(at, &space, record).await?;
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
    ) -> Result<(Event, Kept)> {
        let opened = open(space, record)?;
        if let RecordBody::Inline(text) = &opened.body {
            check_body(space, &opened, text.as_bytes())?;
        }
        let body = self.body_or_erased(at, space, &opened).await?;
        Ok((opened.header.event, Kept::new(record, body.as_deref())))
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
