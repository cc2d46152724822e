//! What a failed clause says: what was expected and what came, where, which law that breaks, and where to look.

use std::{
    backtrace::Backtrace,
    cell::RefCell,
    fmt::Write as _,
    sync::{Arc, Mutex, Once},
};

use crate::Clause;

/// A panic in a thread of a clause.
#[derive(Debug)]
struct Panic {
    text: String,
    at: String,
    backtrace: Backtrace,
}

/// The panics of one clause, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panics(Arc<Mutex<Vec<Panic>>>);

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<Panics>> = const { RefCell::new(None) };
}

impl Panics {
    /// From now on the panics of this thread are noted here, beside what is printed of them.
    pub(crate) fn note_here(&self) {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let print = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                OF_THIS_THREAD.with_borrow(|panics| {
                    let (Some(panics), Some(at)) = (panics, info.location()) else { return };
                    let text = text(info.payload());
                    let (at, backtrace) =
                        (format!("{}:{}", at.file(), at.line()), Backtrace::force_capture());
                    panics.0.lock().expect("no panic inside").push(Panic { text, at, backtrace });
                });
                print(info);
            }));
        });
        OF_THIS_THREAD.set(Some(self.clone()));
    }

    /// All there is to say of a clause that ended in this panic. Its first line is the first line of the panic.
    pub(crate) fn tell(&self, clause: &Clause, ended_in: &str) -> String {
        let mut told = ended_in.to_owned();
        let panics = self.0.lock().expect("no panic inside");
        let last = panics.iter().rfind(|panic| panic.text == ended_in);
        let mut line = |what: String| {
            let _infallible = write!(told, "\n    {what}");
        };
        if let Some(panic) = last {
            line(format!("at {}", panic.place()));
        }
        if let Some(first) = panics.first().filter(|first| first.text != ended_in) {
            let text = first.text.lines().next().unwrap_or_default();
            line(format!("the first panic was at {}: {text}", first.place()));
        }
        if let Some(law) = clause.law() {
            line(format!("{}: {law}", clause.id));
        }
        line(format!("look first at {}", first_look(clause.id)));
        told
    }
}

impl Panic {
    /// File and line of the assertion, and of the clause where that is in a function that many clauses call.
    fn place(&self) -> String {
        // Without line tables the backtrace names no file, and the assertion stands alone.
        let backtrace = self.backtrace.to_string();
        let frames = backtrace.lines().filter_map(|line| line.trim().strip_prefix("at "));
        let mut clauses = frames.filter_map(|frame| Some(&frame[frame.find("src/clauses/")?..]));
        match clauses.next().and_then(|frame| frame.rsplit_once(':')) {
            Some((frame, _column)) if !self.at.ends_with(frame) => {
                format!("{}, called at {frame}", self.at)
            }
            _ => self.at.clone(),
        }
    }
}

/// What a panic said.
pub(crate) fn text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "it panicked".to_owned())
}

/// Where the fault of a driver that fails a clause is, most of the time.
fn first_look(id: &str) -> &'static str {
    match id {
        "J1" => "whether one transaction writes all records of a batch, and one look reads them",
        "J2" => {
            "whether `commit` compares version and hash of the head inside of the transaction that writes"
        }
        "J3" => {
            "the order, bounds and direction of `read`, and that versions follow what is expected"
        }
        "J4" => "caches, replicas, and transactions that began before the read",
        "J5" => "whether one `read` looks at the store several times",
        "J6" => "what is flushed before `commit` answers, and what the next process makes of it",
        "J7" => {
            "each way in which `commit` fails after something was sent: that is `Commit::Indeterminate`, no error"
        }
        "J8" => {
            "types of columns and encodings (NUL, Unicode, 64 bits without a sign), and the limits in `info()`"
        }
        "J9" => "how a space becomes a key: case, separators, escapes, lengths",
        "J10" => {
            "what is held across an await, and who gives it back when the future is dropped or nobody replies"
        }
        "J11" => {
            "whether clean-up leaves the head or the tombstone that a stale writer is compared with"
        }
        "J12" => "where checksums are compared, and whether an unreadable record is passed over",
        "J13" => "copies: snapshots, blobs, caches, free pages, older versions of a row",
        "J14" => "whether records are read without the snapshot",
        "J15" => {
            "the order by which pages are cut: total, and one for the bound and the rows; and rows that are locked"
        }
        "J16" => "each method after `close`, and calls under way",
        "J17" => "the format of the store and the level of a record, looked at before all else",
        "J18" => "the names of blobs, the ends of ranges, and digests",
        "J19" => "by which clock the age of a blob is told, and which names are in use",
        "J20" => "whether a drop leaves a tombstone, and each commit looks for it",
        "J21" => "blocking: `block_in_place`, `block_on`, locks held across an await",
        _ => "the J clauses; where all of them hold, run this clause alone",
    }
}
