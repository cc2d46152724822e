//! Handles that only read.

use std::time::Duration;

use super::*;

async fn reader(folder: &TempDir) -> Disk {
    Disk::open(root(folder), Options::default().read_only()).await.unwrap()
}

#[test]
fn a_reader_follows_the_writer_and_writes_nothing() {
    let folder = folder();
    block_on(async {
        let writer = open_in(&folder).await;
        let reader = reader(&folder).await;
        assert_eq!(reader.info(), writer.info());
        assert_eq!(head(&reader, &space(1)).await, None);
        let mut at = None;
        for n in 1..=5 {
            at = Some(append(&writer, &space(1), at, &n.to_string()).await);
            assert_eq!(head(&reader, &space(1)).await.unwrap().position, at.unwrap());
            assert_eq!(bodies(&reader, &space(1)).await.len(), n);
            assert!(reader.wait(&space(1), n as u64 - 1, Duration::from_secs(9)).await.unwrap());
        }
        assert!(!reader.wait(&space(1), 5, Duration::from_millis(5)).await.unwrap());
        writer.erase(&space(1), &[2, 3]).await.unwrap();
        assert_eq!(bodies(&reader, &space(1)).await, ["1", "None", "None", "4", "5"]);
        let at = append(&writer, &space(1), at, "6").await;
        assert_eq!(bodies(&reader, &space(1)).await.len(), 6);
        append(&writer, &space(2), None, "x").await;
        assert_eq!(pages(&reader, query(ListOrder::Id, None, 9)).await, [1, 2]);
        assert!(is_done(&writer.drop_space(&space(1), Some(at)).await.unwrap()));
        assert_eq!(head(&reader, &space(1)).await, None);
        assert_eq!(bodies(&reader, &space(1)).await, [""; 0]);
        assert_eq!(pages(&reader, query(ListOrder::Id, None, 9)).await, [2]);
        writer.close().await.unwrap();
        assert_eq!(bodies(&reader, &space(2)).await, ["x"]);
    });
}

#[test]
fn a_reader_refuses_to_write() {
    let folder = folder();
    block_on(async {
        let writer = open_in(&folder).await;
        let at = append(&writer, &space(1), None, "x").await;
        let name = writer.put_blob(&space(1), b"x").await.unwrap();
        writer.close().await.unwrap();
        let before: Vec<_> = files_below(&root(&folder));
        let reader = reader(&folder).await;
        let refused = ErrorKind::Unsupported;
        let next = batch(vec![record(2, 4, "y")]);
        assert_eq!(kind(reader.commit(&space(1), Some(at), &next).await), refused);
        assert_eq!(kind(reader.drop_space(&space(1), Some(at)).await), refused);
        assert_eq!(kind(reader.put_blob(&space(1), b"y").await), refused);
        assert_eq!(kind(reader.erase(&space(1), &[1]).await), refused);
        assert_eq!(kind(reader.scrub().await), refused);
        assert_eq!(
            kind(reader.collect_blobs(&space(1), &Default::default(), Duration::ZERO).await),
            refused
        );
        let snapshot = Snapshot { position: at, bytes: vec![1] };
        assert_eq!(kind(reader.save_snapshot(&space(1), &snapshot).await), refused);
        assert_eq!(reader.get_blob(&space(1), &name, None).await.unwrap(), b"x");
        assert_eq!(reader.load_snapshot(&space(1)).await.unwrap(), None);
        reader.close().await.unwrap();
        assert_eq!(kind(reader.head(&space(1)).await), ErrorKind::Closed);
        assert_eq!(files_below(&root(&folder)), before);
    });
}

#[test]
fn a_live_tail_is_not_yet_there_and_stays() {
    let folder = folder();
    block_on(async {
        let writer = open_in(&folder).await;
        let one = append(&writer, &space(1), None, "one").await;
        let begin = fs::read(file(&folder, &space(1))).unwrap().len();
        append(&writer, &space(1), Some(one), "two").await;
        let whole = fs::read(file(&folder, &space(1))).unwrap();
        let reader = reader(&folder).await;
        for end in [begin + 1, begin + 36, whole.len() - 1] {
            fs::write(file(&folder, &space(1)), &whole[..end]).unwrap();
            assert_eq!(bodies(&reader, &space(1)).await, ["one"]);
            assert_eq!(head(&reader, &space(1)).await.unwrap().position, one);
            assert_eq!(fs::read(file(&folder, &space(1))).unwrap().len(), end, "never cut");
        }
        fs::write(file(&folder, &space(1)), &whole).unwrap();
        assert_eq!(bodies(&reader, &space(1)).await, ["one", "two"]);
        assert_eq!(reader.repairs(), []);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_a_busy_writer_sees_prefixes() {
    let folder = folder();
    let writer = Arc::new(open_in(&folder).await);
    let reader = reader(&folder).await;
    let writing = tokio::spawn({
        let writer = Arc::clone(&writer);
        async move {
            let mut at = None;
            for n in 0..150 {
                at = Some(append(&*writer, &space(1), at, &n.to_string()).await);
                if n % 50 == 49 {
                    writer.erase(&space(1), &[n - 10]).await.unwrap();
                }
            }
        }
    });
    let mut last = 0;
    while !writing.is_finished() {
        let records = reader.read(&space(1), &all()).await.unwrap();
        assert!(records.len() >= last);
        last = records.len();
        assert!(records.iter().zip(1..).all(|(record, version)| record.version == version));
    }
    writing.await.unwrap();
    assert_eq!(reader.read(&space(1), &all()).await.unwrap().len(), 150);
}
