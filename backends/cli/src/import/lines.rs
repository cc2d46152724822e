//! The JSON Lines layout: `{"role", "content", ...}`, one message a line. Empty lines are no messages.

use serde_json::value::RawValue;
use sessile::id::TenantId;

use super::{
    message::{Reader, plain},
    transcript::{Fault, Transcript},
};

/// A last line without an end of line that is no JSON was being written: the lines before it are imported, and it is
/// reported. Any other broken line fails the file.
pub(super) fn read(text: &str, tenant: &TenantId) -> Result<Transcript, Fault> {
    let mut transcript = Transcript::default();
    let mut reader = Reader::new(tenant.clone());
    let mut number = 0;
    for line in text.split_inclusive('\n') {
        number += 1;
        let message = line.trim_matches([' ', '\t', '\r', '\n']);
        if message.is_empty() {
            continue;
        }
        match serde_json::from_str::<&RawValue>(message) {
            Err(error) if !line.ends_with('\n') && error.is_eof() => {
                transcript.half = Some(Fault::at(number, "the last line is not complete"));
            }
            Err(error) => return Err(Fault::at(number, plain(&error))),
            Ok(_) => transcript.push(&mut reader, number, message)?,
        }
    }
    transcript.replaced = reader.replaced;
    Ok(transcript)
}
