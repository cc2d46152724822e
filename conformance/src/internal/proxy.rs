//! A wire that the suite cuts and stalls: it stands before a server, and passes on what comes until it is told otherwise.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What the wire does to all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Passes,
    /// Each connection is cut 1 to 60 ms after it was made, or after this began, in whatever it is doing.
    Cuts,
    /// This many pieces pass on their way back, then one is lost, and its connection cut.
    LosesReply(usize),
    /// This many pieces pass on their way back, then everything stands still.
    Stalls(usize),
    StandsStill,
}

/// A wire to a server; the suite is in the middle.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Before a server.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let mode = Arc::new(watch::Sender::new(Mode::Passes));
        let of_all = Arc::clone(&mode);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connection(near, server, Arc::clone(&of_all)));
            }
        });
        Self { address, mode, accepting }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes everything on, what has been held back first.
    pub(crate) fn pass(&self) {
        self.mode.send_replace(Mode::Passes);
    }

    /// Cuts each connection after some milliseconds, again and again.
    pub(crate) fn cut(&self) {
        self.mode.send_replace(Mode::Cuts);
    }

    /// Loses the piece that comes back after so many others, and cuts its connection.
    pub(crate) fn lose_reply(&self, after: usize) {
        self.mode.send_replace(Mode::LosesReply(after));
    }

    /// Stands still from the piece on that comes back after so many others.
    pub(crate) fn stall(&self, after: usize) {
        self.mode.send_replace(Mode::Stalls(after));
    }

    /// Stands still at once: nothing arrives, on either side.
    pub(crate) fn stand_still(&self) {
        self.mode.send_replace(Mode::StandsStill);
    }

    /// Whether everything stands still.
    pub(crate) fn stands_still(&self) -> bool {
        *self.mode.borrow() == Mode::StandsStill
    }

    /// Whether a reply was lost since that was asked for.
    pub(crate) fn lost_it(&self) -> bool {
        *self.mode.borrow() == Mode::Passes
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes on both ways until one end closes or the connection is cut.
async fn connection(near: TcpStream, server: SocketAddr, mode: Arc<watch::Sender<Mode>>) {
    let Ok(far) = TcpStream::connect(server).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = there(from_near, to_far, &mode) => {}
        () = back(from_far, to_near, &mode) => {}
        () = cut(&mode) => {}
    }
}

async fn there(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: &watch::Sender<Mode>) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        moves(mode).await;
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: &watch::Sender<Mode>) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let mut is_lost = false;
        mode.send_if_modified(|mode| {
            let (next, lost) = match *mode {
                Mode::LosesReply(0) => (Mode::Passes, true),
                Mode::LosesReply(more) => (Mode::LosesReply(more - 1), false),
                Mode::Stalls(0) => (Mode::StandsStill, false),
                Mode::Stalls(more) => (Mode::Stalls(more - 1), false),
                other => (other, false),
            };
            is_lost = lost;
            std::mem::replace(mode, next) != next
        });
        if is_lost {
            return;
        }
        moves(mode).await;
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

/// Waits while everything stands still.
async fn moves(mode: &watch::Sender<Mode>) {
    let moving = |mode: &Mode| *mode != Mode::StandsStill;
    let mut mode = mode.subscribe();
    // What it answers would hold the mode as it is.
    drop(mode.wait_for(moving).await);
}

/// Ends when the connection is to be cut.
async fn cut(mode: &watch::Sender<Mode>) {
    let mut mode = mode.subscribe();
    loop {
        drop(mode.wait_for(|mode| *mode == Mode::Cuts).await);
        let life = Duration::from_micros(rand::random_range(1_000..60_000));
        tokio::time::sleep(life).await;
        if *mode.borrow_and_update() == Mode::Cuts {
            return;
        }
    }
}
