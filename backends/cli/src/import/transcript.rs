//! A transcript, read whole before anything of it is written.

use std::{fs::File, io::Read, path::Path};

use sessile::{
    id::TenantId,
    model::{Currency, NewEntry, Role, Tokens, Usage},
};

use super::{decimal, lines, message::Reader, scan::Layout, traj};

/// The largest file that is read, in bytes.
const FILE_BYTES: u64 = 1 << 30;

/// What is wrong with a file, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: Option<u64>,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn at(line: u64, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }

    pub(super) fn whole(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }
}

/// One message.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) line: u64,
    pub(super) entry: NewEntry,
}

impl Item {
    /// Whether a turn begins here. A turn is an assistant message and what answers it.
    pub(super) fn begins_turn(&self) -> bool {
        self.entry.message().is_some_and(|message| message.role == Role::Assistant)
    }
}

/// The messages of a file.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pub(super) items: Vec<Item>,
    /// The usage of the whole file, if it states one.
    pub(super) usage: Option<Usage>,
    /// How many lone surrogates were replaced by U+FFFD.
    pub(super) replaced: u64,
    /// The last line, if it was still being written.
    pub(super) half: Option<Fault>,
}

impl Transcript {
    pub(super) fn read(path: &Path, layout: Layout, tenant: &TenantId) -> Result<Self, Fault> {
        let bytes = bytes(path)?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            // Cut in the middle of a character: the last line of a file that is being written.
            Err(error) if layout == Layout::Lines && error.error_len().is_none() => {
                let (whole, _) = bytes.split_at(error.valid_up_to());
                let mut read = lines::read(&String::from_utf8_lossy(whole), tenant)?;
                let reason = "the last line is not complete";
                read.half.get_or_insert_with(|| Fault::at(line_of(&bytes, bytes.len()), reason));
                return Ok(read);
            }
            Err(error) => {
                let at = error.valid_up_to();
                return Err(Fault::at(line_of(&bytes, at), "the text is not UTF-8"));
            }
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match layout {
            Layout::Traj => traj::read(text, tenant),
            Layout::Lines => lines::read(text, tenant),
        }
    }

    /// Adds the message that stands at a line.
    pub(super) fn push(&mut self, reader: &mut Reader, line: u64, text: &str) -> Result<(), Fault> {
        let entry = reader.read(text).map_err(|reason| Fault { line: Some(line), reason })?;
        self.items.push(Item { line, entry });
        Ok(())
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| Fault::whole(e.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(Fault::whole("the file has more than 1 GiB"));
    }
    Ok(bytes)
}

/// The line of a byte, from 1.
pub(super) fn line_of(bytes: &[u8], at: usize) -> u64 {
    let before = bytes.get(..at).unwrap_or(bytes);
    before.iter().filter(|&&b| b == b'\n').count() as u64 + 1
}

/// `instance_cost` in USD, `tokens_sent`, `tokens_received`, `api_calls`, each as the file spells it.
pub(super) fn usage(
    cost: Option<&str>,
    sent: Option<&str>,
    received: Option<&str>,
    calls: Option<&str>,
) -> Result<Usage, String> {
    let number = |name: &str, text: Option<&str>, scale| match text {
        None | Some("null") => Ok(None),
        Some(text) => decimal::parse(text, scale)
            .map(Some)
            .ok_or_else(|| format!("{name} is {text}, where a number from 0 is expected")),
    };
    let tokens = Tokens::new(
        number("tokens_sent", sent, 0)?.unwrap_or_default(),
        number("tokens_received", received, 0)?.unwrap_or_default(),
    );
    let usage = Usage::new(tokens, number("api_calls", calls, 0)?.unwrap_or_default());
    Ok(match number("instance_cost", cost, 6)? {
        Some(micro) => usage.with_cost(Currency::new("USD").map_err(|e| e.to_string())?, micro),
        None => usage,
    })
}
