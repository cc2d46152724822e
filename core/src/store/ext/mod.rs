//! The pleasant methods, written once over the waist.

/// Asks, and takes the one answer that fits. A store that answers one request with the outcome of another is broken: it
/// says so instead of guessing.
macro_rules! answer {
    ($request:literal, $ask:expr, $fits:pat => $value:expr) => {
        async move {
            match $ask.await? {
                $fits => Ok($value),
                _ => Err(crate::error::Error::Unsupported {
                    what: concat!("the store answered ", $request, " with something else").into(),
                }),
            }
        }
    };
}

mod session;
mod thread;

pub use session::SessionStoreExt;
pub use thread::ThreadStoreExt;
