//! Deciding calls in order, each on the state plus what those before it would add.

use std::sync::Arc;

use super::{
    leader::{Leader, PendingReply},
    pending_call::PendingCall,
};
use crate::{
    error::{Error, Result},
    hash::Hash,
    id::Space,
    journal::Position,
    record::{Draft, open},
    rules::{
        decision::{Decision, DecisionInput, Facts, Reply},
        event::EventRecord,
    },
    store::state::JournalState,
};

/// What a record weighs beside its body, about.
const RECORD_BYTES: usize = 512;

/// What a run of calls was decided to write and to answer. Nothing of it holds before it is committed.
#[derive(Debug)]
pub(super) struct DecidedBatch {
    pub(super) drafts: Vec<Draft>,
    /// The speculative state: the committed one plus `drafts`.
    pub(super) after: JournalState,
    pub(super) replies: Vec<PendingReply>,
    /// The only reply asks for the whole journal to be dropped.
    pub(super) drops_space: bool,
}

impl DecidedBatch {
    const fn on(state: JournalState) -> Self {
        Self { drafts: Vec::new(), after: state, replies: Vec::new(), drops_space: false }
    }

    pub(super) const fn writes(&self) -> bool {
        !self.drafts.is_empty() || self.drops_space
    }

    fn reply(&mut self, pending: &Arc<PendingCall>, answer: Result<Reply>, wrote: bool) {
        self.replies.push(PendingReply { pending: Arc::clone(pending), answer, wrote });
    }

    /// Adds records and folds them into the speculative state; `salt` makes their salts.
    fn add(
        &mut self,
        space: &Space,
        mut drafts: Vec<Draft>,
        salt: impl Fn() -> u128,
    ) -> Result<()> {
        let mut version = self.after.version();
        for draft in &mut drafts {
            version += 1;
            if draft.salt == 0 && draft.sealed.is_none() {
                draft.salt = salt();
            }
            let last = self.after.last_at();
            draft.not_before = (draft.at < last).then_some(last);
            self.after
                .evolve(&EventRecord::of_draft(version, draft))
                .map_err(|why| Error::corrupt(space, version, why))?;
            // The hash is known when the batch is sealed; until then only the version is looked at.
            self.after.set_head(Position { version, hash: Hash::ZERO });
        }
        if self.drafts.is_empty() {
            self.drafts = drafts;
        } else {
            self.drafts.append(&mut drafts);
        }
        Ok(())
    }
}

impl Leader<'_> {
    /// Decides the calls in hand, as many as fit into one batch.
    pub(super) fn decide(&self, facts: &Facts) -> DecidedBatch {
        let limits = &self.environment.journal.info().limits;
        let options = &self.environment.options;
        let now = options.clock.now();
        let mut decided = DecidedBatch::on((*self.state.committed).clone());
        let mut bytes = 0;
        for pending in &self.state.calls {
            let input = DecisionInput { call: &pending.call, now, facts };
            match decided.after.decide(self.space, &input) {
                Ok(Decision::Write(drafts, reply)) => {
                    bytes += drafts.iter().map(|d| RECORD_BYTES + d.weight()).sum::<usize>();
                    let full = decided.drafts.len() + drafts.len() > limits.batch_records
                        || bytes > limits.batch_bytes;
                    if full && !decided.drafts.is_empty() {
                        break;
                    }
                    match decided.add(self.space, drafts, || options.ids.random()) {
                        Ok(()) => decided.reply(pending, Ok(reply), true),
                        Err(error) => {
                            // A record that does not fold is a bug. It spoilt the speculative state, so the batch ends
                            // before it.
                            if decided.drafts.is_empty() {
                                decided.after = (*self.state.committed).clone();
                                decided.reply(pending, Err(error), false);
                            }
                            break;
                        }
                    }
                }
                Ok(Decision::Answer(reply)) => decided.reply(pending, Ok(reply), false),
                Err(error) => decided.reply(pending, Err(error), false),
                Ok(Decision::Drop(reply)) => {
                    if decided.replies.is_empty() {
                        decided.reply(pending, Ok(reply), true);
                        decided.drops_space = true;
                    }
                    break;
                }
            }
        }
        decided
    }

    /// Reads the immutable records that the calls in hand refer to and the state does not hold.
    pub(super) async fn facts(&self) -> Result<Facts> {
        let mut facts = Facts::new();
        let head = self.state.committed.version();
        for pending in &self.state.calls {
            for version in pending.call.facts.iter().copied() {
                if version == 0 || version > head || facts.contains_key(&version) {
                    continue;
                }
                let event = match self.read(version - 1, version).await?.first() {
                    Some(record) => Some(open(self.space, record)?.header.event),
                    None => None,
                };
                facts.insert(version, event);
            }
        }
        Ok(facts)
    }
}
