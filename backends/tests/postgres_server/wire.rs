//! A wire that is cut again and again.

use std::time::Duration;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Passes on to a port what comes in, and cuts each connection after 1 to 60 ms, in whatever it is doing; answers where it listens.
pub(crate) async fn cutting(port: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let listens = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let life = Duration::from_micros(rand::random_range(1_000..60_000));
                drop(timeout(life, copy_bidirectional(&mut near, &mut far)).await);
            });
        }
    });
    listens
}
