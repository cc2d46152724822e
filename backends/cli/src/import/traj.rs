//! The `.traj` layout: one JSON document whose `history` holds the messages. `trajectory`, `environment` and
//! `replay_config` may be there or not; they repeat what `history` says and add no entry.

use serde::Deserialize;
use serde_json::value::RawValue;
use sessile::id::TenantId;

use super::{
    message::{Reader, plain},
    transcript::{Fault, Transcript, line_of, usage},
};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    history: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    model_stats: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Stats<'a> {
    #[serde(borrow)]
    instance_cost: Option<&'a RawValue>,
    #[serde(borrow)]
    tokens_sent: Option<&'a RawValue>,
    #[serde(borrow)]
    tokens_received: Option<&'a RawValue>,
    #[serde(borrow)]
    api_calls: Option<&'a RawValue>,
}

pub(super) fn read(text: &str, tenant: &TenantId) -> Result<Transcript, Fault> {
    let document: Document<'_> =
        serde_json::from_str(text).map_err(|e| Fault::at(e.line() as u64, plain(&e)))?;
    let history = document.history.ok_or_else(|| Fault::at(1, "there is no `history`"))?;
    let mut transcript = Transcript::default();
    let mut reader = Reader::new(tenant.clone());
    let mut address = Place { text, at: 0, line: 1 };
    for raw in history {
        transcript.push(&mut reader, address.of(raw), raw.get())?;
    }
    if let Some(raw) = document.info.filter(|raw| raw.get() != "null") {
        transcript.usage = stats(raw).map_err(|e| Fault::at(address.of(raw), e))?;
    }
    transcript.replaced = reader.replaced;
    Ok(transcript)
}

/// `info.model_stats`; if it is absent there is no usage, which is not zero usage.
fn stats(info: &RawValue) -> Result<Option<sessile::model::Usage>, String> {
    let info: Info<'_> =
        serde_json::from_str(info.get()).map_err(|e| format!("info: {}", plain(&e)))?;
    let Some(raw) = info.model_stats.filter(|raw| raw.get() != "null") else { return Ok(None) };
    let stats: Stats<'_> =
        serde_json::from_str(raw.get()).map_err(|e| format!("model_stats: {}", plain(&e)))?;
    let spelled = |raw: Option<&'_ RawValue>| raw.map(|raw| raw.get().to_owned());
    let (cost, sent) = (spelled(stats.instance_cost), spelled(stats.tokens_sent));
    let (received, calls) = (spelled(stats.tokens_received), spelled(stats.api_calls));
    usage(cost.as_deref(), sent.as_deref(), received.as_deref(), calls.as_deref()).map(Some)
}

/// Finds the line each value begins at, in one pass; values come in the order of the file.
struct Place<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Place<'_> {
    /// The line at which the value with this text begins.
    fn of(&mut self, raw: &RawValue) -> u64 {
        let begin = (raw.get().as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        match self.text.as_bytes().get(self.at..begin) {
            Some(between) => {
                self.line += line_of(between, between.len()) - 1;
                self.at = begin;
                self.line
            }
            None => line_of(self.text.as_bytes(), begin),
        }
    }
}
