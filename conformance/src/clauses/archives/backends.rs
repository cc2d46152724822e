//! ARC8: what an archive backend promises.

use sessile_core::ErrorKind;

use super::place::objects;
use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused, concurrent::together},
};

crate::clauses! { ARC8 => arc8 }

/// Objects are stored whole, seen by whoever opens the archive, listed by prefix in the order of their bytes, and gone when
/// removed.
pub async fn arc8(cx: ClauseContext) -> Verdict {
    let (archive, other) = (cx.open_archive().await, cx.open_archive().await);
    refused(archive.get("a/b").await, ErrorKind::NotFound);
    archive.remove("a/b").await.expect("what is not there is removed already");
    assert_eq!(objects(&*archive, "").await, Vec::<String>::new());
    let long = format!("x/{}/z", vec!["0123456789_-.abc"; 15].join("0"));
    let every =
        format!("y/a{}", (0..=255_u8).map(char::from).filter(is_of_names).collect::<String>());
    let names = ["a", "b/1", "b/10", "b/2", "b-/1", "b.c/1", "b0/1", "bb/1", long.as_str(), &every];
    for (i, name) in names.iter().enumerate() {
        let bytes: Vec<u8> = (0..=255).cycle().take(i * 1000).collect();
        archive.put(name, &bytes).await.expect("it is stored");
        assert_eq!(other.get(name).await.expect("another handle sees it"), bytes);
    }
    let mut sorted: Vec<String> = names.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(objects(&*other, "").await, sorted);
    for prefix in ["b", "b/", "b/1", "b-", "b.", "c", "x/0", "a", "b/10", "b/100"] {
        let wanted: Vec<_> = sorted.iter().filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(objects(&*other, prefix).await.iter().collect::<Vec<_>>(), wanted, "{prefix}");
        for after in ["a", "b/1", "b/15", "b0", "zz"] {
            let wanted: Vec<_> = wanted.iter().filter(|name| name.as_str() > after).collect();
            let listed = other.list(prefix, Some(after), 100).await.expect("a list");
            assert_eq!(
                listed.iter().collect::<Vec<_>>(),
                wanted.into_iter().copied().collect::<Vec<_>>()
            );
        }
    }
    assert_eq!(other.list("", None, 2).await.expect("a list"), sorted[..2]);
    assert_eq!(other.list("", None, 0).await.expect("a list"), Vec::<String>::new());
    // Over what is there: all of it or what was before.
    let large = vec![7; 3 << 20];
    archive.put("b/1", &large).await.expect("it is stored");
    let writers = (0..4_u8).map(|i| {
        let archive = &archive;
        async move { archive.put("b/1", &vec![i; (1 << 20) + usize::from(i)]).await }
    });
    let readers = (0..8).map(|_| async {
        for _ in 0..20 {
            let read = other.get("b/1").await.expect("it is there");
            let first = read[0];
            assert!(read.iter().all(|byte| *byte == first), "one writer's alone");
            let size = if first == 7 { 3 << 20 } else { (1 << 20) + usize::from(first) };
            assert_eq!(read.len(), size, "and whole");
            tokio::task::yield_now().await;
        }
    });
    let (stored, _) = tokio::join!(together(writers), together(readers));
    stored.into_iter().for_each(|stored| stored.expect("it is stored"));
    // A writer that is dropped has stored all or nothing, and leaves nothing that is listed.
    for polls in 0..4 {
        let put = crate::internal::stops::polled(polls, archive.put("b/2", &large)).await;
        if put.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let read = other.get("b/2").await.expect("it is there");
        assert!(read == large || read.len() == 3000, "{} bytes", read.len());
        assert_eq!(objects(&*other, "").await, sorted);
    }
    for name in &sorted {
        archive.remove(name).await.expect("it is removed");
        archive.remove(name).await.expect("again");
        refused(other.get(name).await, ErrorKind::NotFound);
    }
    assert_eq!(objects(&*other, "").await, Vec::<String>::new());
    Verdict::Passed
}

fn is_of_names(c: &char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(*c)
}
