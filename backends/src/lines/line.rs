//! What the lines of a space say: one batch each, or the seal of a clean close.
//!
//! ```json
//! {"len":"...","crc":"...","batch":{"first":1,"last":2,"epoch":1,"space":"acme/threads/...","project":"prj_...","card_at":0,"streams":[3,4],"sizes":[500,700]},
//!  "card":{"updated_at":1700000000000,"show":{...}},
//!  "records":[{"crc":"...","version":1,"stream":3,"kind":"...","sum":"...","link":"...","salt":"...","head":{...},"body":{...}}, ...]}
//! {"len":"...","crc":"...","seal":{"version":2,"link":"...","epoch":1,"project":"prj_...","card_at":0}}
//! ```
//!
//! JSON texts stand as given, so that `jq` sees into them; what is no JSON, or has white space around it, stands as a string
//! in a member named `head_text`, `body_text` or `show_text` instead.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use sessile_core::{
    clock::Timestamp,
    hash::Hash,
    id::{ProjectId, Version},
    journal::{BlobName, Card, Position, Record, RecordBody, Stream},
};

use super::frame;

const BATCH: &[u8] = b"\"batch\":";
const SEAL: &[u8] = b"\"seal\":";
/// What follows the last record of a line.
pub(crate) const RECORDS_END: &[u8] = b"]}\n";
/// What a record of a batch begins with: the CRC-32 of all that follows these 18 bytes.
const RECORD: &[u8] = b"{\"crc\":\"";
const DIGITS: usize = 8;
const RECORD_PREFIX: usize = RECORD.len() + DIGITS + 2;
const NO_SALT: [u8; 16] = [0; 16];

/// The beginning of a batch's line: what is asked without looking at its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchHead {
    pub(crate) first: Version,
    pub(crate) last: Version,
    /// Which opening of the store wrote it.
    pub(crate) epoch: u64,
    /// Whose records these are; on the first line of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) space: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<ProjectId>,
    /// Where the line with the newest card begins; this one may be it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) card_at: Option<u64>,
    /// The stream of each record.
    pub(crate) streams: Vec<Stream>,
    /// The bytes of each record, with its braces: so that one can be read without the others.
    #[serde(default)]
    pub(crate) sizes: Vec<u32>,
}

impl BatchHead {
    /// Where each record begins, in a line of `len` bytes; nothing if the line does not say so.
    pub(crate) fn places(&self, len: u32) -> Vec<u32> {
        let mut end = len.checked_sub(RECORDS_END.len() as u32);
        let mut places = Vec::with_capacity(self.sizes.len());
        for size in self.sizes.iter().rev() {
            let Some(place) = end.and_then(|end| end.checked_sub(*size)) else { return Vec::new() };
            places.push(place);
            end = place.checked_sub(1);
        }
        places.reverse();
        if places.len() == self.streams.len() { places } else { Vec::new() }
    }
}

/// The last line of a file that was closed cleanly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    pub(crate) version: Version,
    pub(crate) link: Hash,
    pub(crate) epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<ProjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) card_at: Option<u64>,
}

/// What a whole line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Batch(BatchHead),
    Seal(Seal),
}

/// What a whole line says; `None` if it is no line of this format.
pub(crate) fn said(line: &[u8]) -> Option<Said> {
    let members = frame::members(line);
    match members.strip_prefix(BATCH) {
        Some(json) => first(json).map(Said::Batch),
        None => first(members.strip_prefix(SEAL)?).map(Said::Seal),
    }
}

/// The line of a batch; the head learns the sizes of the records.
pub(crate) fn batch(
    head: &mut BatchHead,
    card: Option<&Card>,
    records: &[Record],
) -> Option<Vec<u8>> {
    let mut texts = Vec::with_capacity(records.iter().map(|r| r.weight() + 300).sum());
    head.sizes.clear();
    for record in records {
        if !texts.is_empty() {
            texts.push(b',');
        }
        let from = texts.len();
        texts.extend_from_slice(RECORD);
        texts.extend_from_slice(b"00000000\",");
        write(&mut texts, record)?;
        let text = texts.get_mut(from..)?;
        let crc = format!("{:08x}", crc32fast::hash(text.get(RECORD_PREFIX..)?));
        text.get_mut(RECORD.len()..RECORD.len() + DIGITS)?.copy_from_slice(crc.as_bytes());
        head.sizes.push(u32::try_from(text.len()).ok()?);
    }
    let mut line = frame::start();
    line.reserve(texts.len() + 1024);
    line.extend_from_slice(BATCH);
    serde_json::to_writer(&mut line, head).ok()?;
    write_card(&mut line, card)?;
    line.extend_from_slice(b",\"records\":[");
    line.append(&mut texts);
    line.push(b']');
    frame::finish(line)
}

/// Adds the members that [`content`] reads.
pub(crate) fn write_content(
    line: &mut Vec<u8>,
    card: Option<&Card>,
    records: &[Record],
) -> Option<()> {
    write_card(line, card)?;
    line.extend_from_slice(b",\"records\":[");
    for (i, record) in records.iter().enumerate() {
        line.extend_from_slice(if i > 0 { b",{" } else { b"{" });
        write(line, record)?;
    }
    line.push(b']');
    Some(())
}

fn write_card(line: &mut Vec<u8>, card: Option<&Card>) -> Option<()> {
    let Some(card) = card else { return Some(()) };
    let updated = card.updated_at.millis();
    line.extend_from_slice(format!(",\"card\":{{\"updated_at\":{updated}").as_bytes());
    json(line, "show", &card.json)?;
    line.push(b'}');
    Some(())
}

/// What stands first in a line, behind its name.
pub(crate) fn first<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::Deserializer::from_slice(json).into_iter().next()?.ok()
}

/// The line of a seal.
pub(crate) fn seal(seal: &Seal) -> Option<Vec<u8>> {
    let mut line = frame::start();
    line.extend_from_slice(SEAL);
    serde_json::to_writer(&mut line, seal).ok()?;
    frame::finish(line)
}

/// A record from its first member to its closing brace.
fn write(line: &mut Vec<u8>, record: &Record) -> Option<()> {
    let Record { version, stream: Stream(stream), sum, link, .. } = record;
    let text = format!("\"version\":{version},\"stream\":{stream},\"kind\":");
    line.extend_from_slice(text.as_bytes());
    serde_json::to_writer(&mut *line, &record.kind).ok()?;
    line.extend_from_slice(format!(",\"sum\":\"{sum:016x}\",\"link\":\"{link}\"").as_bytes());
    if record.salt != NO_SALT {
        let salt = u128::from_be_bytes(record.salt);
        line.extend_from_slice(format!(",\"salt\":\"{salt:032x}\"").as_bytes());
    }
    json(line, "head", &record.header)?;
    match &record.body {
        RecordBody::None => {}
        RecordBody::Inline(text) => json(line, "body", text)?,
        RecordBody::Blob(name) => {
            line.extend_from_slice(b",\"blob\":");
            serde_json::to_writer(&mut *line, &name.0).ok()?;
        }
    }
    line.push(b'}');
    Some(())
}

/// A member with a JSON text as given, or as a string if it would not come back equal.
fn json(line: &mut Vec<u8>, name: &str, text: &str) -> Option<()> {
    let tight = |b: Option<&u8>| b.is_some_and(|b| !b.is_ascii_whitespace());
    let bytes = text.as_bytes();
    let plain = tight(bytes.first())
        && tight(bytes.last())
        && text != "null"
        && !bytes.iter().any(|b| *b < 0x20)
        && serde_json::from_str::<&RawValue>(text).is_ok();
    if plain {
        line.extend_from_slice(format!(",\"{name}\":").as_bytes());
        line.extend_from_slice(bytes);
    } else {
        line.extend_from_slice(format!(",\"{name}_text\":").as_bytes());
        serde_json::to_writer(line, text).ok()?;
    }
    Some(())
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    card: Option<CardText<'a>>,
    #[serde(borrow, default)]
    records: Vec<RecordText<'a>>,
}

#[derive(Deserialize)]
struct OnlyCard<'a> {
    #[serde(borrow)]
    card: Option<CardText<'a>>,
}

#[derive(Deserialize)]
struct CardText<'a> {
    updated_at: u64,
    #[serde(borrow)]
    show: Option<&'a RawValue>,
    #[serde(borrow)]
    show_text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RecordText<'a> {
    version: Version,
    stream: Stream,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    sum: Cow<'a, str>,
    link: Hash,
    #[serde(borrow)]
    salt: Option<Cow<'a, str>>,
    #[serde(borrow)]
    head: Option<&'a RawValue>,
    #[serde(borrow)]
    head_text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    body_text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    blob: Option<Cow<'a, str>>,
}

fn either<'a>(json: Option<&'a RawValue>, text: &'a Option<Cow<'a, str>>) -> Option<&'a str> {
    json.map(RawValue::get).or(text.as_deref())
}

impl CardText<'_> {
    fn card(&self) -> Option<Card> {
        let json = either(self.show, &self.show_text)?.to_owned();
        Some(Card { updated_at: Timestamp::from_millis(self.updated_at), json })
    }
}

impl RecordText<'_> {
    fn record(&self) -> Option<Record> {
        let salt = match &self.salt {
            Some(digits) => u128::from_str_radix(digits, 16).ok()?.to_be_bytes(),
            None => NO_SALT,
        };
        let body = match (either(self.body, &self.body_text), &self.blob) {
            (Some(text), None) => RecordBody::Inline(text.into()),
            (None, Some(name)) => RecordBody::Blob(BlobName(name.as_ref().into())),
            (None, None) => RecordBody::None,
            (Some(_), Some(_)) => return None,
        };
        Some(Record {
            version: self.version,
            stream: self.stream,
            kind: self.kind.as_ref().into(),
            header: either(self.head, &self.head_text)?.into(),
            sum: u64::from_str_radix(&self.sum, 16).ok()?,
            link: self.link,
            salt,
            body,
        })
    }
}

/// The card and the records of a batch's line; `None` if it does not say them.
pub(crate) fn content(line: &[u8]) -> Option<(Option<Card>, Vec<Record>)> {
    let Content { card, records } = serde_json::from_str(std::str::from_utf8(line).ok()?).ok()?;
    let card = match card {
        Some(card) => Some(card.card()?),
        None => None,
    };
    let records = records.iter().map(RecordText::record).collect::<Option<_>>()?;
    Some((card, records))
}

/// The card of a batch's line.
pub(crate) fn card(line: &[u8]) -> Option<Card> {
    let OnlyCard { card } = serde_json::from_str(std::str::from_utf8(line).ok()?).ok()?;
    card?.card()
}

/// One record of a batch's line; `None` if it is not whole.
pub(crate) fn record(bytes: &[u8]) -> Option<Record> {
    let digits = frame::digits(bytes.strip_prefix(RECORD)?, 0)?;
    let members = bytes.get(RECORD.len() + DIGITS..)?.strip_prefix(b"\",")?;
    if digits != crc32fast::hash(members) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let usual = text.get(RECORD_PREFIX..).and_then(usual);
    usual.or_else(|| serde_json::from_str::<RecordText<'_>>(text).ok()?.record())
}

/// A record as most are: its body is the last member, and is not gone through.
fn usual(text: &str) -> Option<Record> {
    let rest = text.strip_prefix("\"version\":")?;
    let (version, rest) = rest.split_once(',')?;
    let (stream, rest) = rest.strip_prefix("\"stream\":")?.split_once(',')?;
    let (kind, rest) = rest.strip_prefix("\"kind\":\"")?.split_once('"')?;
    let (sum, rest) = rest.strip_prefix(",\"sum\":\"")?.split_at_checked(16)?;
    let (link, rest) = rest.strip_prefix("\",\"link\":\"")?.split_at_checked(64)?;
    let (salt, rest) = rest.strip_prefix("\",\"salt\":\"")?.split_at_checked(32)?;
    let rest = rest.strip_prefix("\",\"head\":")?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
    let head = values.next()?.ok()?.get();
    let body = rest.get(values.byte_offset()..)?.strip_prefix(",\"body\":")?.strip_suffix('}')?;
    if kind.contains('\\') {
        return None;
    }
    Some(Record {
        version: version.parse().ok()?,
        stream: Stream(stream.parse().ok()?),
        kind: kind.into(),
        header: head.into(),
        sum: u64::from_str_radix(sum, 16).ok()?,
        link: Hash::parse(link)?,
        salt: u128::from_str_radix(salt, 16).ok()?.to_be_bytes(),
        body: RecordBody::Inline(body.into()),
    })
}

/// The head of a batch that follows: what stands before its records.
pub(crate) fn head(
    records: &[Record],
    epoch: u64,
    project: Option<ProjectId>,
    card_at: Option<u64>,
) -> BatchHead {
    BatchHead {
        first: records.first().map_or(0, |r| r.version),
        last: records.last().map_or(0, |r| r.version),
        epoch,
        space: None,
        project,
        card_at,
        streams: records.iter().map(|r| r.stream).collect(),
        sizes: Vec::new(),
    }
}

impl Seal {
    pub(crate) const fn position(&self) -> Position {
        Position { version: self.version, hash: self.link }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn any_text_comes_back_equal_and_the_line_is_json() {
        let texts = [
            "",
            " ",
            "{}",
            "{} ",
            " {}",
            "null",
            "nul",
            "\"a\"",
            "{\"a\":\"\\u0000\"}",
            "{\"a\" : 1 }",
            "{\"a\":\n1}",
            "\0",
            "\n",
            "é\u{1F600}",
            "1",
            "1 ",
            "[1,2",
            "\\",
            "\"",
            "{\"a\":1}{",
            "\u{85}",
            "\u{2028}",
            "{\"a\":\"\u{7f}\"}",
        ];
        let deep = format!("{}1{}", "[".repeat(3000), "]".repeat(3000));
        for text in texts.into_iter().chain([deep.as_str()]) {
            let mut one = record(1, u64::MAX, text);
            one.header = text.into();
            one.kind = text.into();
            one.sum = u64::MAX;
            let mut two = record(2, 0, "x");
            (two.body, two.salt) = (RecordBody::Blob(BlobName("a-0".into())), [0; 16]);
            let mut three = record(3, 0, "x");
            three.body = RecordBody::None;
            let records = vec![one, two, three];
            let card = Card { updated_at: Timestamp::from_millis(u64::MAX), json: text.into() };
            let mut head =
                BatchHead { space: Some("s".into()), ..head(&records, 7, None, Some(0)) };
            let bytes = batch(&mut head, Some(&card), &records).unwrap();
            let places = head.places(bytes.len() as u32);
            for ((place, size), right) in places.iter().zip(&head.sizes).zip(&records) {
                let bytes = &bytes[*place as usize..(*place + *size) as usize];
                assert_eq!(super::record(bytes).as_ref(), Some(right), "{text:?}");
            }
            assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 1, "{text:?}");
            let line = frame::line(&bytes).unwrap();
            assert_eq!(said(line), Some(Said::Batch(head)));
            assert_eq!(content(line), Some((Some(card.clone()), records)), "{text:?}");
            assert_eq!(super::card(line), Some(card));
            serde_json::from_slice::<&RawValue>(&bytes).unwrap();
        }
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_noticed() {
        let records = vec![record(1, 4, "{\"a\":1}"), record(2, 4, "two")];
        let mut head = head(&records, 7, None, None);
        let bytes = batch(&mut head, None, &records).unwrap();
        let places = head.places(bytes.len() as u32);
        let (from, size) = (places[0] as usize, head.sizes[0] as usize);
        let whole = &bytes[from..from + size];
        assert_eq!(super::record(whole).as_ref(), records.first());
        for at in 0..whole.len() {
            let mut bent = whole.to_vec();
            bent[at] ^= 1 << (at % 8);
            assert_eq!(super::record(&bent), None, "byte {at}");
        }
        assert_eq!(BatchHead { sizes: vec![u32::MAX; 2], ..head }.places(500), [0; 0]);
    }

    #[test]
    fn a_seal_comes_back() {
        let project = Some(ProjectId::from_bits(3));
        let seal =
            Seal { version: 9, link: Hash::of(&[b"x"]), epoch: 4, project, card_at: Some(77) };
        let bytes = super::seal(&seal).unwrap();
        assert_eq!(said(frame::line(&bytes).unwrap()), Some(Said::Seal(seal)));
    }
}
