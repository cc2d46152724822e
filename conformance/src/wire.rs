//! The way of a driver to its server.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use sessile_core::journal::Journal;

/// Opens a store by way of an address that the suite gives, so that the suite can cut and stall what passes there.
///
/// The suite gets it from the `wire` hook, and puts a proxy of its own before the server. With it the suite judges that a reply
/// that is lost leaves a commit in doubt and never doubled (J7), that nobody waits for ever behind a wire that stands still (J10,
/// LIN2), and that a journal goes on once the wire is whole again.
#[async_trait]
pub trait Wire: Send + Sync {
    /// Where the server listens. TCP only.
    fn server(&self) -> SocketAddr;

    /// Opens the store of the hook's `Dir`, as `open` does, but by way of this address in place of the server's.
    ///
    /// # Errors
    /// Those of `open`; here the wire is whole.
    async fn open(&self, through: SocketAddr) -> sessile_core::Result<Arc<dyn Journal>>;
}
