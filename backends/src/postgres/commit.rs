//! Group commit: batches that are queued while others are written share the next statement, which is one transaction.
//!
//! A few leaders take what is queued, each on a connection of its own, as tasks of the handle's thread. There is no timer: who
//! comes first leads at once. The server holds what it writes for one statement only, and rows are locked in the order of their
//! names, so that groups of any processes wait for each other and never in a circle.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, LazyLock, Mutex},
    time::Instant,
};

use sessile_core::{
    error::{Error, Result, Source},
    id::Space,
    journal::{Batch, Position, Record, RecordBody},
};
use sessile_driver::{check, clock, lock};
use tokio::sync::oneshot;
use tokio_postgres::Row;

use super::{
    error::Failure,
    read::{self, Found},
    server::{Params, Server},
};

/// Groups under way at once: with 64 writers in spaces of their own, 4 make 1.4 times the commits of one, and 2 make 1.2 times.
const LEADERS: usize = 4;
/// Batches in one group.
const GROUP: usize = 64;
/// Bytes after which a group takes no more.
const BYTES: usize = 4 << 20;
/// The columns of batches and of records, which are parameters in this order, each an array.
const BATCHES: &str = "tenant text, kind text, name text, project text, expected bigint, hash bytea, head bigint, link bytea, \
     updated bigint, card bytea";
const RECORDS: &str = "job int, version bigint, stream bigint, prev bigint, sum bigint, kind text, header bytea, body bytea, \
     blob text, link bytea, salt bytea";

/// Appends to spaces that have records; answers with the places of those whose head was as expected: of many batches, of one, and
/// of one that has one record.
static APPEND: LazyLock<[String; 3]> =
    LazyLock::new(|| [append(false, false), append(true, false), append(true, true)]);

/// One plan, kept for a connection, where the function starts several. (A row that has such a head is live: to say so would offer
/// the planner another index.)
fn append(one_batch: bool, one_record: bool) -> String {
    let (batches, records) = (rows(BATCHES, 1, one_batch), rows(RECORDS, 11, one_record));
    format!(
        "WITH u AS (
           UPDATE space s SET head = j.head, hash = j.link, updated = coalesce(j.updated, s.updated), card = coalesce(j.card, s.card)
           FROM {batches} j
           WHERE s.tenant = j.tenant AND s.kind = j.kind AND s.name = j.name AND s.head = j.expected AND s.hash = j.hash
           RETURNING j.at::int, s.id
         ), i AS (
           INSERT INTO record(space, version, stream, prev, sum, kind, header, body, blob, link, salt)
           SELECT u.id, r.version, r.stream,
             coalesce(r.prev, (SELECT max(o.version) FROM record o WHERE o.space = u.id AND o.stream = r.stream), 0),
             r.sum, r.kind, r.header, r.body, r.blob, r.link, r.salt
           FROM u JOIN {records} r ON r.job = u.at
         ) SELECT at FROM u"
    )
}

/// Parameters as rows. To unfold arrays of one element costs more than the rest of the statement, so those are only indexed.
fn rows(columns: &str, first: usize, is_one: bool) -> String {
    let of = |each: &dyn Fn(usize, &str, &str) -> String| {
        let columns = columns.split(", ").filter_map(|column| column.split_once(' '));
        let each: Vec<_> =
            (first..).zip(columns).map(|(at, (name, kind))| each(at, name, kind)).collect();
        each.join(", ")
    };
    if is_one {
        return format!(
            "(SELECT {}, 1 AS at)",
            of(&|at, name, kind| format!("(${at}::{kind}[])[1] AS {name}"))
        );
    }
    let (arrays, names) =
        (of(&|at, _, kind| format!("${at}::{kind}[]")), of(&|_, name, _| name.to_owned()));
    format!("(SELECT * FROM unnest({arrays}) WITH ORDINALITY x({names}, at))")
}

/// The same for any space; answers with the rows of those whose head was not as expected.
const COMMIT: &str = "SELECT * FROM commit_batches($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
     $16, $17, $18, $19, $20, $21)";

/// What became of a write.
#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    /// Not applied: the space is like this.
    Refused(Found),
    Doubt(Source),
}

#[derive(Debug)]
struct Job {
    space: Space,
    expected: Option<Position>,
    batch: Batch,
    until: Instant,
    /// Its group failed: it is tried alone.
    alone: bool,
    answer: oneshot::Sender<Result<Outcome>>,
}

impl Job {
    fn answer(self, outcome: Result<Outcome>) {
        // Its caller may have gone.
        let _ = self.answer.send(outcome);
    }

    /// The order in which rows are locked.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        read::key(&self.space).cmp(&read::key(&other.space))
    }
}

#[derive(Debug)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Lines on which nobody leads.
    free: Vec<usize>,
}

/// The queue before a server.
#[derive(Debug)]
pub(super) struct Committer {
    queue: Mutex<Queue>,
}

impl Committer {
    pub(super) fn new(connections: usize) -> Arc<Self> {
        let free = (0..LEADERS.min(connections)).rev().collect();
        Arc::new(Self { queue: Mutex::new(Queue { jobs: VecDeque::new(), free }) })
    }

    /// Commits a batch, in a transaction with others. A batch that a leader has taken is committed also if the future is dropped.
    pub(super) async fn submit(
        self: &Arc<Self>,
        server: &Arc<Server>,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Outcome> {
        let until = clock::deadline(batch.patience);
        let (answer, answered) = oneshot::channel();
        let (space, batch) = (space.clone(), batch.clone());
        let line = {
            let mut queue = lock(&self.queue);
            server.check_open()?;
            queue.jobs.push_back(Job { space, expected, batch, until, alone: false, answer });
            queue.free.pop()
        };
        if let Some(line) = line {
            let (this, on) = (Arc::clone(self), Arc::clone(server));
            server.spawn(async move { this.lead(&on, line).await });
        }
        answered.await.unwrap_or_else(|_| Err(check::closed()))
    }

    async fn lead(&self, server: &Server, line: usize) {
        let _under_way = server.under_way().await;
        while let Some(group) = self.take(server, line) {
            let (begun, mut rest): (Vec<_>, Vec<_>) =
                group.into_iter().partition(|job| job.expected.is_some());
            let [many, one, single] = &*APPEND;
            let sql = match begun.as_slice() {
                [job] if job.batch.records.len() == 1 => single,
                [_] => one,
                _ => many,
            };
            let (rows, begun) = self.write(server, line, sql, begun).await;
            let done: HashSet<i32> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
            for (at, job) in (1..).zip(begun) {
                if done.contains(&at) { job.answer(Ok(Outcome::Done)) } else { rest.push(job) }
            }
            rest.sort_by(Job::order);
            let (rows, rest) = self.write(server, line, COMMIT, rest).await;
            let mut refused: HashMap<i32, Row> =
                rows.into_iter().filter_map(|row| Some((row.try_get(0).ok()?, row))).collect();
            for (at, job) in (1..).zip(rest) {
                let found = refused.remove(&at).map(|row| read::found(&job.space, &row, 1));
                let outcome = found.map_or(Ok(Outcome::Done), |found| found.map(Outcome::Refused));
                job.answer(outcome);
            }
        }
    }

    /// One statement for a group: gives its rows, and the group back. A group of which nothing was applied, or of which that is not
    /// known, is answered here or queued again, and what comes back is empty.
    async fn write(
        &self,
        server: &Server,
        line: usize,
        sql: &str,
        group: Vec<Job>,
    ) -> (Vec<Row>, Vec<Job>) {
        if group.is_empty() {
            return (Vec::new(), group);
        }
        let answer: Box<dyn Fn() -> Result<Outcome> + Send> =
            match send(server, line, sql, &group).await {
                Ok(rows) => return (rows, group),
                Err(Failure::Doubt(source)) => {
                    Box::new(move || Ok(Outcome::Doubt(Arc::clone(&source))))
                }
                Err(Failure::Unsent(error)) => Box::new(move || Err(error.clone())),
                Err(Failure::Refused(error)) if group.len() == 1 => {
                    Box::new(move || Err(error.clone()))
                }
                Err(Failure::Refused(_) | Failure::Busy(_)) => {
                    self.again(group);
                    return (Vec::new(), Vec::new());
                }
            };
        group.into_iter().for_each(|job| job.answer(answer()));
        (Vec::new(), Vec::new())
    }

    /// What is to be committed next; gives the line up if there is nothing.
    fn take(&self, server: &Server, line: usize) -> Option<Vec<Job>> {
        let mut queue = lock(&self.queue);
        let (mut group, mut bytes) = (Vec::new(), 0);
        while !server.is_closed()
            && let Some(job) = queue.jobs.pop_front()
        {
            bytes += job.batch.weight();
            let is_alone = job.alone;
            group.push(job);
            let next_is_alone = queue.jobs.front().is_some_and(|next| next.alone);
            if is_alone || next_is_alone || bytes >= BYTES || group.len() >= GROUP {
                break;
            }
        }
        if group.is_empty() {
            queue.free.push(line);
            return None;
        }
        group.sort_by(Job::order);
        Some(group)
    }

    /// Answers `Closed` to what is queued, after the server was closed.
    pub(super) fn refuse_all(&self) {
        for job in lock(&self.queue).jobs.drain(..) {
            job.answer(Err(check::closed()));
        }
    }

    /// Puts jobs back, each for itself; `Contended` to those whose time is over.
    fn again(&self, group: Vec<Job>) {
        let now = clock::instant();
        for job in group {
            if job.until <= now {
                let contended = Error::contended(&job.space);
                job.answer(Err(contended));
            } else {
                lock(&self.queue).jobs.push_back(Job { alone: true, ..job });
            }
        }
    }
}

fn each<'a, T, U>(items: &'a [T], column: impl Fn(&'a T) -> U) -> Vec<U> {
    items.iter().map(column).collect()
}

/// Sends a group as columns: those of its batches, then those of their records.
async fn send(server: &Server, line: usize, sql: &str, group: &[Job]) -> Result<Vec<Row>, Failure> {
    let project = |job: &Job| Some(job.batch.project?.space(job.space.tenant()).characters());
    let spaces = each(group, |job| read::key(&job.space));
    let tenants = each(&spaces, |(tenant, ..)| *tenant);
    let kinds = each(&spaces, |(_, kind, _)| *kind);
    let names = each(&spaces, |(.., name)| name.as_str());
    let projects = each(group, project);
    let expected = each(group, |job| read::expected(job.expected));
    let hashes = each(group, |job| job.expected.map(|position| position.hash.bytes().to_vec()));
    let ends = each(group, |job| job.batch.end());
    let heads = each(&ends, |end| end.map(|end| read::version(end.version)));
    let links = each(&ends, |end| end.map(|end| end.hash.bytes().to_vec()));
    let cards = each(group, |job| job.batch.card.as_ref());
    let updates = each(&cards, |card| card.map(|card| read::order(card.updated_at)));
    let cards = each(&cards, |card| card.map(|card| card.json.as_bytes()));

    let records: Vec<_> = (1i32..)
        .zip(group)
        .flat_map(|(at, job)| job.batch.records.iter().map(move |record| (at, record)))
        .collect();
    let mut newest = HashMap::new();
    let mut before = |at, r: &Record| newest.insert((at, r.stream), read::version(r.version));
    let prevs: Vec<Option<i64>> = records.iter().map(|(at, r)| before(*at, r)).collect();
    let jobs = each(&records, |(at, _)| *at);
    let versions = each(&records, |(_, r)| read::version(r.version));
    let streams = each(&records, |(_, r)| r.stream.0.cast_signed());
    let sums = each(&records, |(_, r)| r.sum.cast_signed());
    let rkinds = each(&records, |(_, r)| &*r.kind);
    let headers = each(&records, |(_, r)| r.header.as_bytes());
    let bodies = each(&records, |(_, r)| match &r.body {
        RecordBody::Inline(body) => Some(body.as_bytes()),
        _ => None,
    });
    let blobs = each(&records, |(_, r)| match &r.body {
        RecordBody::Blob(name) => Some(&*name.0),
        _ => None,
    });
    let rlinks = each(&records, |(_, r)| r.link.bytes().as_slice());
    let salts = each(&records, |(_, r)| r.salt.as_slice());
    let params: Params<'_> = &[
        &tenants, &kinds, &names, &projects, &expected, &hashes, &heads, &links, &updates, &cards,
        &jobs, &versions, &streams, &prevs, &sums, &rkinds, &headers, &bodies, &blobs, &rlinks,
        &salts,
    ];
    server.run(Some(line), sql, params).await
}
