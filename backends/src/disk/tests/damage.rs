//! One flipped bit in a store that was closed cleanly.

use sessile_core::{
    Caller, Error,
    command::{NewSession, NewThread},
    id::{ProjectId, ThreadId, UserId},
    model::{Actor, NewEntry, Role},
    store::Store,
};

use super::*;

fn caller() -> Caller {
    let tenant = TenantId::new("t").unwrap();
    Caller::new(tenant.clone(), Actor::User { tenant, id: UserId::new("u").unwrap() })
}

struct Small {
    folder: TempDir,
    project: ProjectId,
    thread: ThreadId,
}

/// A project, a thread with a session, entries, a blob and a snapshot, closed.
async fn small() -> Small {
    let folder = folder();
    let journal = Arc::new(open_in(&folder).await);
    let store = Store::new(Arc::<Disk>::clone(&journal), sessile_driver::clock::options());
    let caller = caller();
    let project = store.as_caller(&caller).create_project("p").await.unwrap();
    let thread =
        store.as_caller(&caller).create_thread(project, NewThread::titled("t")).await.unwrap();
    let new = NewSession::named("s");
    let session = store.as_caller(&caller).create_session(thread, new).await.unwrap();
    store.as_caller(&caller).append(session, NewEntry::text(Role::User, "words")).await.unwrap();
    let large = NewEntry::text(Role::User, "large ".repeat(12_000));
    store.as_caller(&caller).append(session, large).await.unwrap();
    let space = thread.space(&caller.tenant);
    let position = head(&journal, &space).await.unwrap().position;
    let snapshot = Snapshot { position, bytes: b"no state".to_vec() };
    journal.save_snapshot(&space, &snapshot).await.unwrap();
    drop(store);
    journal.close().await.unwrap();
    Small { folder, project, thread }
}

/// Every answer about the store, or the first refusal; `verify` of the thread is among them.
async fn answers(small: &Small, options: Options) -> Result<Vec<String>, Error> {
    let caller = caller();
    let journal = Arc::new(Disk::open(root(&small.folder), options).await?);
    let mut said = Vec::new();
    for space in [small.project.space(&caller.tenant), small.thread.space(&caller.tenant)] {
        said.push(format!("{:?}", journal.head(&space).await?));
        said.push(format!("{:?}", journal.read(&space, &all()).await?));
        let query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: space.kind(),
            project: space.thread().map(|_| small.project),
            order: ListOrder::Updated,
            after: None,
            limit: 9,
        };
        said.push(format!("{:?}", journal.list(&query).await?));
    }
    let store = Store::new(Arc::<Disk>::clone(&journal), sessile_driver::clock::options());
    let verified = store.as_caller(&caller).verify(small.thread, None).await?;
    if let Some((version, reason)) = verified.problems.first() {
        return Err(Error::corrupt(&small.thread.space(&caller.tenant), *version, reason.as_str()));
    }
    said.push(format!("{verified:?}"));
    assert_eq!(journal.repairs(), []);
    drop(store);
    journal.close().await?;
    Ok(said)
}

#[test]
fn every_flipped_bit_is_found_and_named() {
    block_on(async {
        let small = small().await;
        let reader = || Options::default().read_only();
        let right = answers(&small, reader()).await.unwrap();
        let mut seen = 0;
        for path in files_below(&root(&small.folder)) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let whole = fs::read(&path).unwrap();
            let is_blob = path.parent().unwrap().ends_with("blobs");
            let step = if is_blob { whole.len() / 50 } else { 1 };
            for at in (0..whole.len()).step_by(step.max(1)) {
                let mut bent = whole.clone();
                bent[at] ^= 1 << (at % 8);
                fs::write(&path, &bent).unwrap();
                // Writing costs flushes: now and then.
                let options = if at % 97 == 0 { Options::default() } else { reader() };
                let found = answers(&small, options.clone()).await;
                match name.as_str() {
                    "snapshot" => assert_eq!(found.unwrap(), right, "a cache changes no answer"),
                    "_sessile.json" => {
                        let Err(Error::CorruptFile { file, .. }) = &found else {
                            panic!("byte {at} of {name}: {found:?}")
                        };
                        assert!(file.ends_with(&name));
                    }
                    _ => {
                        let Err(Error::Corrupt { space, .. }) = &found else {
                            panic!("byte {at} of {}: {found:?}", path.display())
                        };
                        let id = space.characters();
                        assert!(path.display().to_string().contains(&id), "{at}: {space}");
                    }
                }
                seen += 1;
                if options.read_only || name == "_sessile.json" {
                    fs::write(&path, &whole).unwrap();
                } else {
                    // A writer that opened has written: the store is made anew as it was.
                    restore(&small, &path, &whole).await;
                }
            }
        }
        assert!(seen > 4000, "{seen}");
        assert_eq!(answers(&small, reader()).await.unwrap(), right);
    });
}

/// Puts the file back, and ends the writer's opening cleanly.
async fn restore(small: &Small, path: &Path, whole: &[u8]) {
    fs::write(path, whole).unwrap();
    let before = fs::read(root(&small.folder).join("_sessile.json")).unwrap();
    let text = String::from_utf8(before).unwrap();
    if text.contains("\"open\":true") {
        set_clean(small);
    }
}

/// A test's own doing: the openings that a flip refused count as clean.
fn set_clean(small: &Small) {
    let root = root(&small.folder);
    let meta = crate::disk::meta::Meta::read(&crate::disk::medium::Os, &root).unwrap().unwrap();
    let meta = crate::disk::meta::Meta { open: false, unclean: Vec::new(), ..meta };
    meta.write(&crate::disk::medium::Os, &root).unwrap();
}
