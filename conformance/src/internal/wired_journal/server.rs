//! The server: a journal of maps, of which each call and each answer comes over TCP.
//!
//! A call is one byte and a number. The number names a closure in this process: what the wire loses, holds back or delivers late is
//! real, and nothing need be encoded.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use sessile_core::{
    id::Space,
    journal::{Batch, Commit, Journal as _, Position},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedMutexGuard, watch},
    time::{Instant, timeout},
};

use crate::{BoxFuture, internal::MapJournal};

/// Locks a space, waiting for others as long as the call says.
pub(super) const LOCK: u8 = b'L';
/// Carries a call out, and gives back what the connection has locked.
pub(super) const CALL: u8 = b'C';
/// It was done.
pub(super) const DONE: u8 = b'+';
/// Others have it locked.
pub(super) const BUSY: u8 = b'-';

/// What a client wants done with the journal.
pub(super) type Job = Box<dyn FnOnce(Arc<MapJournal>) -> BoxFuture<'static, ()> + Send>;

/// What a number on the wire stands for.
pub(super) enum Order {
    Lock(Space, Option<Duration>),
    Call(Job),
}

/// When, where, after what, and what.
type Committed = (Instant, Space, Option<Position>, Batch);
type SpaceLock = Arc<tokio::sync::Mutex<()>>;

/// The server of one store. It lives as long as its location, and survives its [crashes](Self::crash).
pub struct MapServer {
    address: SocketAddr,
    journal: Mutex<Arc<MapJournal>>,
    orders: Mutex<(u64, HashMap<u64, Order>)>,
    locks: Mutex<HashMap<Space, SpaceLock>>,
    /// What was committed, and when, for a server that flushes later than it says.
    committed: Mutex<Vec<Committed>>,
    flushes_after: Duration,
    /// How often it has crashed: connections of an earlier life are dead.
    lives: watch::Sender<u64>,
}

impl MapServer {
    /// Starts a server that flushes what it has acknowledged so much later.
    pub(super) async fn start(flushes_after: Duration) -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let server = Arc::new(Self {
            address: listener.local_addr().expect("an address"),
            journal: Mutex::default(),
            orders: Mutex::default(),
            locks: Mutex::default(),
            committed: Mutex::default(),
            flushes_after,
            lives: watch::Sender::new(0),
        });
        let weak = Arc::downgrade(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(server) = weak.upgrade() else { return };
                tokio::spawn(async move {
                    let mut lives = server.lives.subscribe();
                    lives.mark_unchanged();
                    tokio::select! {
                        _gone = server.serve(stream) => {}
                        _crashed = lives.changed() => {}
                    }
                });
            }
        });
        server
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn journal(&self) -> Arc<MapJournal> {
        Arc::clone(&self.journal.lock().expect("no panic inside"))
    }

    /// The number of an order.
    pub(super) fn order(&self, order: Order) -> u64 {
        let mut orders = self.orders.lock().expect("no panic inside");
        orders.0 += 1;
        let number = orders.0;
        orders.1.insert(number, order);
        number
    }

    /// Notes what was committed.
    pub(super) fn note(&self, space: Space, expected: Option<Position>, batch: Batch) {
        let mut committed = self.committed.lock().expect("no panic inside");
        committed.push((Instant::now(), space, expected, batch));
    }

    /// Ends all connections and what is in memory only, and starts again with what was flushed.
    pub async fn crash(&self) {
        self.lives.send_modify(|lives| *lives += 1);
        if self.flushes_after.is_zero() {
            return;
        }
        let mut kept = std::mem::take(&mut *self.committed.lock().expect("no panic inside"));
        kept.retain(|(at, ..)| at.elapsed() >= self.flushes_after);
        let journal = Arc::new(MapJournal::default());
        for (_, space, expected, batch) in &kept {
            let replayed = journal.commit(space, *expected, batch).await;
            assert!(matches!(replayed, Ok(Commit::Done)), "what was flushed is there");
        }
        *self.journal.lock().expect("no panic inside") = journal;
        self.committed.lock().expect("no panic inside").splice(0..0, kept);
    }

    /// Serves a connection until it ends; what it has locked is free then.
    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut held: Vec<OwnedMutexGuard<()>> = Vec::new();
        loop {
            let mut call = [0; 9];
            stream.read_exact(&mut call).await?;
            let [what, number @ ..] = call;
            let number = u64::from_be_bytes(number);
            let order = self.orders.lock().expect("no panic inside").1.remove(&number);
            let said = match (what, order) {
                (LOCK, Some(Order::Lock(space, patience))) => {
                    let lock = Arc::clone(
                        self.locks.lock().expect("no panic inside").entry(space).or_default(),
                    );
                    let locking = lock.lock_owned();
                    let locked = match patience {
                        None => Some(locking.await),
                        Some(patience) => timeout(patience, locking).await.ok(),
                    };
                    let said = if locked.is_some() { DONE } else { BUSY };
                    held.extend(locked);
                    said
                }
                (CALL, Some(Order::Call(job))) => {
                    job(self.journal()).await;
                    held.clear();
                    DONE
                }
                _ => return Ok(()),
            };
            stream.write_all(&[said]).await?;
        }
    }
}
