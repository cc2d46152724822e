//! A cache of the spaces that the writer wrote last, and its prepared statements.

use hashlink::LruCache;
use rusqlite::{CachedStatement, Connection};
use sessile_core::{id::Space, journal::Position};

/// Spaces remembered.
const SPACES: usize = 1024;
/// Streams remembered of each.
const STREAMS: usize = 8;

/// Spaces as the writer left them. A commit updates the row only if it has the same head and hash; the rest of an entry follows
/// from these.
#[derive(Debug)]
pub(super) struct KnownSpaces(LruCache<Space, KnownSpace>);

/// What is known of a space at a head.
#[derive(Debug)]
pub(super) struct KnownSpace {
    /// The number of its row, which never changes.
    pub(super) id: i64,
    pub(super) position: Position,
    /// The card's time, as the row has it.
    pub(super) updated: i64,
    /// The last of the streams that were written to.
    pub(super) streams: Vec<StreamEnd>,
}

/// The newest record of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamEnd {
    pub(super) stream: i64,
    pub(super) nth: i64,
    pub(super) version: i64,
}

impl KnownSpaces {
    pub(super) fn new() -> Self {
        Self(LruCache::new(SPACES))
    }

    /// Takes out a space, if it is remembered at this head. What fails halfway is not put back.
    pub(super) fn take(&mut self, space: &Space, head: Position) -> Option<(Space, KnownSpace)> {
        self.0.remove_entry(space).filter(|(_, memo)| memo.position == head)
    }

    pub(super) fn keep(&mut self, space: Space, mut memo: KnownSpace) {
        let surplus = memo.streams.len().saturating_sub(STREAMS);
        memo.streams.drain(..surplus);
        self.0.insert(space, memo);
    }
}

/// The statements of an append, each looked up once for a group.
pub(super) struct Prepared<'c> {
    pub(super) conn: &'c Connection,
    /// Moves a head on that is as expected: space, head, hash, card, expected head, expected hash.
    pub(super) advance: HeldStatement<'c>,
    /// The same with a new time: the last parameter. A column that is not named costs no index.
    pub(super) advance_time: HeldStatement<'c>,
    pub(super) newest: HeldStatement<'c>,
    pub(super) record: HeldStatement<'c>,
    pub(super) stream: HeldStatement<'c>,
}

impl<'c> Prepared<'c> {
    pub(super) const fn new(conn: &'c Connection) -> Self {
        Self {
            conn,
            advance: HeldStatement::new(
                "UPDATE space SET head = ?2, hash = ?3, card = coalesce(?4, card) \
                 WHERE id = ?1 AND live = 1 AND head = ?5 AND hash = ?6",
            ),
            advance_time: HeldStatement::new(
                "UPDATE space SET head = ?2, hash = ?3, card = coalesce(?4, card), updated = ?7 \
                 WHERE id = ?1 AND live = 1 AND head = ?5 AND hash = ?6",
            ),
            newest: HeldStatement::new(
                "SELECT nth, version FROM stream WHERE space = ?1 AND stream = ?2",
            ),
            record: HeldStatement::new(
                "INSERT INTO record(space, version, stream, nth, prev, kind, head, body, blob, sum, link, salt) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            ),
            stream: HeldStatement::new(
                "INSERT INTO stream(space, stream, nth, version) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT(space, stream) DO UPDATE SET nth = ?3, version = ?4",
            ),
        }
    }
}

/// A statement, prepared at its first use.
pub(super) struct HeldStatement<'c> {
    sql: &'static str,
    statement: Option<CachedStatement<'c>>,
}

impl<'c> HeldStatement<'c> {
    const fn new(sql: &'static str) -> Self {
        Self { sql, statement: None }
    }

    pub(super) fn on(
        &mut self,
        conn: &'c Connection,
    ) -> rusqlite::Result<&mut CachedStatement<'c>> {
        let statement = match self.statement.take() {
            Some(statement) => statement,
            None => conn.prepare_cached(self.sql)?,
        };
        Ok(self.statement.insert(statement))
    }
}
