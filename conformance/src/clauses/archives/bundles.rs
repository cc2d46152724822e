//! ARC2: what is in a bundle, and that no other is restored.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use sessile_core::{
    Error, ErrorKind,
    archive::{ArchiveBackend, ArchiveBackends},
    command::Archiving,
    error::BundleFault,
    hash::Hash,
    id::SessionId,
    journal::{Direction, ReadRange, RecordBody},
    model::assistant,
    record::Lane,
};

use super::place::{Place, objects};
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        archives::{ARCHIVE, ArchiveCall, FailingArchive, Failure},
        assertions::harmless,
        shorthand::says,
    },
};

crate::clauses! { ARC2 => arc2 }

/// Bytes of one part, by what the documentation of archives says.
const PART: usize = 5 << 20;

async fn all_bytes(archive: &dyn ArchiveBackend, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in objects(archive, prefix).await {
        all.insert(name.clone(), archive.get(&name).await.expect("it is listed"));
    }
    all
}

/// A bundle has all records of a session with all their bodies, its manifest says what and was written last; whatever is
/// missing or changed, or of another session, is never restored, and changes nothing.
pub async fn arc2(cx: ClauseContext) -> Verdict {
    let place = Place::new(&cx).await;
    let (child, _) = place.worked("child").await;
    // Enough for more than one part.
    for _ in 0..5 {
        let long = assistant("0123456789".repeat(100_000));
        place.handle.append(child, [long]).await.expect("a long entry");
    }
    let erased = place.handle.append(child, [says("a secret")]).await.expect("an entry").first;
    place.handle.erase_entries(place.lab.thread, [erased]).await.expect("it is erased");
    // All calls are seen.
    let seen = FailingArchive::after(place.archive(), usize::MAX, Failure::Before);
    let archives = ArchiveBackends::default().with(ARCHIVE, Arc::clone(&seen) as _);
    let archives = archives.expect("a name of its own");
    let clock = Arc::clone(&place.lab.clock);
    let store = cx.store_with(clock, |options| options.with_archives(archives)).await;
    let handle = store.as_caller(&place.lab.caller);
    let archive = handle.archive_session(child, Archiving::new()).await.expect("it is archived");
    let puts: Vec<_> = seen.calls();
    let last = puts.iter().rev().find_map(|call| match call {
        ArchiveCall::Put(name) => Some(name.clone()),
        _ => None,
    });
    let manifest = last.expect("something was written");
    assert!(manifest.ends_with("/manifest"), "the mark of completeness is last: {puts:?}");
    let whole = all_bytes(&*place.archive(), "").await;
    assert!(whole.len() > 2, "in parts: {:?}", whole.keys());
    assert!(whole.values().all(|bytes| bytes.len() <= PART), "which are bounded");
    assert!(
        whole.keys().all(|name| name.contains(&archive.to_string()) && name.contains("/acme/"))
    );
    holds_all(&place, child).await;
    let of_others = place.worked("other").await.0;
    place.archived(of_others).await;
    never_restored(&place, child, &whole).await;
    // As it was, it is.
    for (name, bytes) in &whole {
        place.archive().put(name, bytes).await.expect("it is put back");
    }
    place.handle.restore_session(child).await.expect("it is restored");
    Verdict::Passed
}

/// Counts, hashes and records, read as a stranger would.
pub(super) async fn holds_all(place: &Place, session: SessionId) {
    let archive = place.session(session).await.archive.expect("where it is");
    let mut bundle = all_bytes(&*place.archive(), "").await;
    bundle.retain(|name, _| name.contains(&archive.id.to_string()));
    let manifest = bundle.keys().find(|name| name.ends_with("/manifest")).expect("it has one");
    let parsed: Value = serde_json::from_slice(&bundle[manifest]).expect("JSON");
    let folder = manifest.strip_suffix("manifest").expect("it is its name");
    let mut lines = BTreeMap::new();
    for part in parsed["parts"].as_array().expect("parts") {
        let bytes = &bundle[&format!("{folder}{}", part["name"].as_str().expect("a name"))];
        assert_eq!(part["hash"], Hash::of(&[bytes]).to_string());
        assert_eq!(part["bytes"], bytes.len());
        for line in std::str::from_utf8(bytes).expect("text").lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let header: Value =
                serde_json::from_str(line["header"].as_str().expect("a header")).expect("JSON");
            lines.insert(header["v"].as_u64().expect("a version"), line);
        }
    }
    let journal = place.lab.cx.journal().await;
    let space = place.lab.thread.space(&place.lab.caller.tenant);
    let mut records = Vec::new();
    for lane in [Lane::Log, Lane::Usage, Lane::Runs, Lane::Rest] {
        let mut range = ReadRange {
            stream: Some(lane.of(session.version())),
            after: 0,
            upto: archive.id.version(),
            direction: Direction::Forward,
            limit: 100,
        };
        loop {
            let page = journal.read(&space, &range).await.expect("records");
            let Some(last) = page.last() else { break };
            range.after = last.version;
            records.extend(page);
        }
    }
    assert_eq!(lines.len(), records.len());
    assert_eq!(parsed["body"]["records"], records.len());
    assert_eq!(archive.records, records.len() as u64);
    let entries = place.session(session).await.entries;
    assert_eq!(parsed["body"]["entries"], entries);
    assert_eq!(archive.entries, entries);
    let summaries = place.handle.summaries(session).all().await.expect("a list");
    assert_eq!(parsed["body"]["summaries"], summaries.len());
    for record in records {
        let line = &lines[&record.version];
        assert_eq!(line["header"].as_str(), Some(&*record.header));
        assert_eq!(line["link"], record.link.to_string());
        let body = match &record.body {
            RecordBody::None => None,
            RecordBody::Inline(text) => Some(text.to_string()),
            RecordBody::Blob(name) => {
                let bytes = journal.get_blob(&space, name, None).await.expect("a blob");
                Some(String::from_utf8(bytes).expect("text"))
            }
        };
        assert_eq!(line["body"].as_str(), body.as_deref(), "record {}", record.version);
    }
}

/// Any object gone, cut, with another byte, or another's: none of it is restored.
async fn never_restored(place: &Place, session: SessionId, whole: &BTreeMap<String, Vec<u8>>) {
    let (lab, archive) = (&place.lab, place.archive());
    let refused = async |what: String, wanted: BundleFault| {
        let call = place.handle.restore_session(session);
        match harmless(&lab.store, &lab.caller, lab.thread, ErrorKind::Corrupt, call).await {
            Error::BrokenBundle { fault, .. } => assert_eq!(fault, wanted, "{what}"),
            other => panic!("{what}: {other}"),
        }
    };
    for (name, bytes) in whole {
        let is_manifest = name.ends_with("/manifest");
        archive.remove(name).await.expect("it is removed");
        let fault = if is_manifest { BundleFault::NoManifest } else { BundleFault::MissingPart };
        refused(format!("without {name}"), fault).await;
        let places = if is_manifest { bytes.len() / 7 } else { 4 };
        for at in (0..places).map(|i| i * bytes.len() / places) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            archive.put(name, &changed).await.expect("it is changed");
            // A flip in the format's number may make it one of a newer release.
            let call = place.handle.restore_session(session).await;
            let error = call.expect_err("it is refused");
            let is_refused = matches!(
                error,
                Error::BrokenBundle { fault: BundleFault::Altered, .. } | Error::NewerFormat { .. }
            );
            let is_missing =
                matches!(error, Error::BrokenBundle { fault: BundleFault::MissingPart, .. });
            assert!(is_refused || is_manifest && is_missing, "byte {at} of {name}: {error}");
        }
        for changed in [&bytes[..bytes.len() / 2], b"", &[bytes.as_slice(), b"\n"].concat()] {
            archive.put(name, changed).await.expect("it is changed");
            refused(format!("{name} cut or longer"), BundleFault::Altered).await;
        }
        let others = objects(&*archive, "").await;
        let other = others.iter().find(|other| {
            !whole.contains_key(*other) && other.ends_with("/manifest") == is_manifest
        });
        let other = archive.get(other.expect("another bundle")).await.expect("it is there");
        archive.put(name, &other).await.expect("it is changed");
        refused(format!("another's {name}"), BundleFault::Altered).await;
        archive.put(name, bytes).await.expect("it is put back");
    }
    // Parts that changed their places, with a manifest that fits: only the digest in the journal tells.
    let (manifest, bytes) = whole.iter().find(|(name, _)| name.ends_with("/manifest")).expect("it");
    let text = std::str::from_utf8(bytes).expect("text");
    let list = text.split_once("\"parts\":[").expect("parts").1.trim_end_matches("]}");
    let mut parts: Vec<&str> = list.split("},{").collect();
    parts.swap(0, 1);
    let trim = |part: &str| format!("{{{}}}", part.trim_matches(['{', '}']));
    let parts: Vec<_> = parts.into_iter().map(trim).collect();
    let swapped = text.replace(list, &parts.join(","));
    assert_ne!(swapped, text);
    archive.put(manifest, swapped.as_bytes()).await.expect("it is changed");
    refused("parts in another order".into(), BundleFault::Altered).await;
    archive.put(manifest, bytes).await.expect("it is put back");
}
