//! Reading the object after the head instead of listing, while a proof holds that this is enough.
//!
//! A view is *proved* for a time at which no boundary was above its head. A log object is deleted only a grace after the
//! boundary passed it, so within half a grace of the proof the object after the head cannot have been deleted: a reply that
//! it is absent says that the head is where it was, and is the next proof, from the time the question was sent; a reply that
//! brings it brings what was committed. A reply that comes later says nothing, and a listing decides.
//!
//! What a probe shows is where a journal ends. Whether payloads were erased since, it does not show.

use std::sync::Arc;

use sessile_core::error::Result;

use super::{Inner, look::decode_log, site::Site, view::View};

/// Objects that are asked for one after the other; behind by more, a listing and reads in parallel are faster.
const PROBES: usize = 3;

impl Inner {
    /// The space as it is now, but for payloads that were erased since this handle looked: for who asks where it ends.
    pub(super) async fn peek(&self, site: &Site) -> Result<Arc<View>> {
        match self.probe(site).await? {
            Some(view) => Ok(view),
            None => self.look(site).await,
        }
    }

    /// `None`: it cannot be said without a listing.
    async fn probe(&self, site: &Site) -> Result<Option<Arc<View>>> {
        let Some(mut view) = site.cell.view() else { return Ok(None) };
        for _ in 0..PROBES {
            if view.dropped() {
                return Ok(Some(view));
            }
            // A tail that nobody shortened is long: a listing tells whether it was folded.
            let is_long = view.tail.len() >= 2 * self.options.fold_after;
            if is_long || !self.is_proof_fresh(&view) {
                return Ok(None);
            }
            let (next, sent) = (view.last() + 1, self.options.clock.elapsed());
            let there = self.get(&site.keys.log(next)).await?;
            if !self.is_proof_fresh(&view) {
                return Ok(None);
            }
            let Some(bytes) = there else {
                view.proved.raise(sent);
                return Ok(Some(view));
            };
            let logged = Arc::new(decode_log(site, next, &bytes)?);
            view = site.cell.extend(&view, logged);
        }
        Ok(None)
    }
}
