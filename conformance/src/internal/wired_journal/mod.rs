//! A journal that speaks to a server, as small as one can be: with it the suite tests what it does to wires and servers. Its
//! mistakes are those that only show there.

mod calls;
mod server;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    Error, Result,
    error::Closure,
    id::Space,
    journal::{Batch, Commit, Durability, Journal, JournalInfo, Position, Sharing},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

pub use self::server::MapServer;
use self::server::{BUSY, CALL, LOCK, Order};
use crate::{Backend, BoxFuture, Dir, Wire, internal::MapJournal};

/// A mistake that a journal behind a wire can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireMistake {
    /// None.
    None,
    /// Answers that a commit was not applied when its reply is lost.
    DeniesLostReplies,
    /// Sends a commit whose reply is lost once more, and answers what comes to that.
    SendsAgain,
    /// Is broken for good by the first wire that is cut.
    StaysBroken,
    /// Waits for a locked space for as long as that takes.
    IgnoresPatience,
    /// Its server acknowledges 50 ms before it flushes.
    FlushesLate,
}

impl WireMistake {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::DeniesLostReplies,
        Self::SendsAgain,
        Self::StaysBroken,
        Self::IgnoresPatience,
        Self::FlushesLate,
    ];

    /// The clause that each breaks.
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::FlushesLate => "J6",
            Self::IgnoresPatience => "J10",
            _ => "J7",
        }
    }

    /// Such journals as a backend with every hook.
    pub fn backend(self) -> Backend {
        let server = move |dir: Dir| async move {
            if let Some(server) = dir.kept::<MapServer>() {
                return server;
            }
            let late = if self == Self::FlushesLate { 50 } else { 0 };
            let server = MapServer::start(Duration::from_millis(late)).await;
            dir.keep(Arc::clone(&server));
            server
        };
        let kept = |dir: Dir| dir.kept::<MapServer>().expect("a server that was started");
        Backend::journal("wired", move |dir| async move {
            let server = server(dir).await;
            WiredJournal::to(&server, server.address(), self)
        })
        .with_wire(move |dir| WireToMaps { server: kept(dir), mistake: self })
        .with_restart(move |dir| async move { kept(dir).crash().await })
        .with_holds(move |dir, bytes: Vec<u8>| async move { kept(dir).journal().holds(&bytes) })
    }
}

struct WireToMaps {
    server: Arc<MapServer>,
    mistake: WireMistake,
}

#[async_trait]
impl Wire for WireToMaps {
    fn server(&self) -> SocketAddr {
        self.server.address()
    }

    async fn open(&self, through: SocketAddr) -> Result<Arc<dyn Journal>> {
        Ok(Arc::new(WiredJournal::to(&self.server, through, self.mistake)))
    }
}

/// Why a call has no answer.
enum Lost {
    /// It was not sent.
    Unsent,
    /// It was sent, and nobody knows.
    Sent,
}

/// A handle to a [`MapServer`].
pub struct WiredJournal {
    info: JournalInfo,
    /// Where the orders are kept; what is said to it goes over the wire.
    server: Arc<MapServer>,
    address: SocketAddr,
    /// Connections that nobody uses.
    idle: Mutex<Vec<TcpStream>>,
    mistake: WireMistake,
    closed: AtomicBool,
    broken: AtomicBool,
}

impl WiredJournal {
    fn to(server: &Arc<MapServer>, address: SocketAddr, mistake: WireMistake) -> Self {
        let store = server.journal().info().store;
        let info =
            JournalInfo::new("wired", store, Durability::ProcessKill, Sharing::ManyProcesses, 1);
        let server = Arc::clone(server);
        let (closed, broken) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { info, server, address, idle: Mutex::default(), mistake, closed, broken }
    }

    fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::SeqCst) {
            true => Err(Error::closed(Closure::Store)),
            false => Ok(()),
        }
    }

    /// A connection: an idle one, or a new one.
    async fn connection(&self) -> Result<TcpStream, Lost> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Lost::Unsent);
        }
        let idle = self.idle.lock().expect("no panic inside").pop();
        match idle {
            Some(stream) => Ok(stream),
            None => TcpStream::connect(self.address).await.map_err(|_| Lost::Unsent),
        }
    }

    /// Sends an order and waits for the reply.
    async fn say(&self, stream: &mut TcpStream, what: u8, order: Order) -> Result<u8, Lost> {
        let mut call = vec![what];
        call.extend(self.server.order(order).to_be_bytes());
        let mut reply = [0];
        let _sent = stream.write_all(&call).await;
        match stream.read_exact(&mut reply).await {
            Ok(_) => Ok(reply[0]),
            Err(_) => {
                let stays_broken = self.mistake == WireMistake::StaysBroken;
                self.broken.store(stays_broken, Ordering::SeqCst);
                Err(Lost::Sent)
            }
        }
    }

    /// Has the server carry out a call that may be repeated; gives up after some tries.
    async fn ask<T: Send + 'static>(
        &self,
        call: impl Fn(Arc<MapJournal>) -> BoxFuture<'static, Result<T>> + Clone + Send + 'static,
    ) -> Result<T> {
        self.check_open()?;
        for _ in 0..3 {
            let Ok(mut stream) = self.connection().await else { continue };
            if let Ok(answer) = self.once(&mut stream, call.clone()).await {
                self.idle.lock().expect("no panic inside").push(stream);
                return answer;
            }
        }
        Err(unavailable())
    }

    /// Has the server carry out a call.
    async fn once<T: Send + 'static>(
        &self,
        stream: &mut TcpStream,
        call: impl FnOnce(Arc<MapJournal>) -> BoxFuture<'static, T> + Send + 'static,
    ) -> Result<T, Lost> {
        let (answer, answered) = oneshot::channel();
        let job: server::Job = Box::new(move |journal| {
            Box::pin(async move {
                let _caller_gone = answer.send(call(journal).await);
            })
        });
        self.say(stream, CALL, Order::Call(job)).await?;
        answered.await.map_err(|_| Lost::Sent)
    }

    /// A commit: locks the space, then writes. What fails before the second order is sent has changed nothing.
    async fn try_commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Result<Commit>, Lost> {
        let mut stream = self.connection().await?;
        let ignores = self.mistake == WireMistake::IgnoresPatience;
        let patience = (!ignores).then_some(batch.patience);
        let lock = Order::Lock(space.clone(), patience);
        let said = self.say(&mut stream, LOCK, lock).await.map_err(|_| Lost::Unsent)?;
        if said == BUSY {
            return Ok(Err(Error::contended(space)));
        }
        let (server, space, batch) = (Arc::clone(&self.server), space.clone(), batch.clone());
        let answer = self.once(&mut stream, move |journal| {
            Box::pin(async move {
                let answer = journal.commit(&space, expected, &batch).await;
                if matches!(answer, Ok(Commit::Done)) {
                    server.note(space, expected, batch);
                }
                answer
            })
        });
        let answer = answer.await?;
        self.idle.lock().expect("no panic inside").push(stream);
        Ok(answer)
    }
}

fn unavailable() -> Error {
    Error::unavailable("no reply from the server", std::io::Error::other("the wire was cut"))
}
