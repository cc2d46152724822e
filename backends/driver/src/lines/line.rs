//! The lines of a space: each holds a batch, or the seal of a clean close.
//!
//! ```json
//! {"len":"...","crc":"...","batch":{"first":1,"last":2,"epoch":1,"space":"acme/threads/...","project":"prj_...","card_at":0,"streams":[3,4],"sizes":[500,700]},
//!  "card":{"updated_at":1700000000000,"show":{...}},
//!  "records":[{"crc":"...","version":1,"stream":3,"kind":"...","sum":"...","link":"...","salt":"...","head":{...},"body":{...}}, ...]}
//! {"len":"...","crc":"...","seal":{"version":2,"link":"...","epoch":1,"project":"prj_...","card_at":0}}
//! ```
//!
//! A JSON text is written as it is, so that tools like `jq` can read it. A text that is no JSON, or has white space around it,
//! is written as a string in a member named `head_text`, `body_text` or `show_text`.

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
/// The bytes after the last record of a line.
pub const RECORDS_END: &[u8] = b"]}\n";
/// A record begins with the CRC-32 of all that follows its first 18 bytes.
const RECORD: &[u8] = b"{\"crc\":\"";
const DIGITS: usize = 8;
const RECORD_PREFIX: usize = RECORD.len() + DIGITS + 2;
const NO_SALT: [u8; 16] = [0; 16];

/// The beginning of the line of a batch: what can be read without its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// The version of the first record.
    pub first: Version,
    /// The version of the last record.
    pub last: Version,
    /// The number of the opening of the store that wrote it.
    pub epoch: u64,
    /// The space of the records; on the first line of a file only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// The project of the space, if it has one.
    pub project: Option<ProjectId>,
    /// The offset in the file of the line with the newest card, which may be this line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_at: Option<u64>,
    /// The stream of each record.
    pub streams: Vec<Stream>,
    /// The length in bytes of each record with its braces, so that one can be read without the others.
    #[serde(default)]
    pub sizes: Vec<u32>,
}

impl BatchHeader {
    /// The offset of each record in a line of `len` bytes; empty if `sizes` is missing or does not fit.
    pub fn places(&self, len: u32) -> Vec<u32> {
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

/// The last line of a file after a clean close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The version of the last record.
    pub version: Version,
    /// The link of the last record.
    pub link: Hash,
    /// The number of the opening of the store that wrote it.
    pub epoch: u64,
    /// The project of the space, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// The offset in the file of the line with the newest card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_at: Option<u64>,
}

/// A line whose frame is whole, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedLine {
    /// A batch. Its records are not parsed yet: see [`content`] and [`record`].
    Batch(BatchHeader),
    /// The seal of a clean close.
    Seal(Seal),
}

/// Parses a line whose frame is whole; `None` if it is no line of this format.
pub fn parse(line: &[u8]) -> Option<ParsedLine> {
    let members = frame::members(line);
    match members.strip_prefix(BATCH) {
        Some(json) => first(json).map(ParsedLine::Batch),
        None => first(members.strip_prefix(SEAL)?).map(ParsedLine::Seal),
    }
}

/// The line of a batch; sets `sizes` of the header. `None` if it cannot be written: it is longer than 4 GiB.
pub fn batch(header: &mut BatchHeader, card: Option<&Card>, records: &[Record]) -> Option<Vec<u8>> {
    let mut texts = Vec::with_capacity(records.iter().map(|r| r.weight() + 300).sum());
    header.sizes.clear();
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
        header.sizes.push(u32::try_from(text.len()).ok()?);
    }
    let mut line = frame::start();
    line.reserve(texts.len() + 1024);
    line.extend_from_slice(BATCH);
    serde_json::to_writer(&mut line, header).ok()?;
    write_card(&mut line, card)?;
    line.extend_from_slice(b",\"records\":[");
    line.append(&mut texts);
    line.push(b']');
    frame::finish(line)
}

/// Appends the members that [`content`] reads: the card and the records.
pub fn write_content(line: &mut Vec<u8>, card: Option<&Card>, records: &[Record]) -> Option<()> {
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

/// Parses the JSON value that `json` begins with, and ignores what follows it.
pub fn first<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::Deserializer::from_slice(json).into_iter().next()?.ok()
}

/// The line of a seal; `None` if it cannot be written.
pub fn seal(seal: &Seal) -> Option<Vec<u8>> {
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

/// Parses the card and all records of the line of a batch; `None` if a part is missing or malformed.
pub fn content(line: &[u8]) -> Option<(Option<Card>, Vec<Record>)> {
    let Content { card, records } = serde_json::from_str(std::str::from_utf8(line).ok()?).ok()?;
    let card = match card {
        Some(card) => Some(card.card()?),
        None => None,
    };
    let records = records.iter().map(RecordText::record).collect::<Option<_>>()?;
    Some((card, records))
}

/// Parses the card of the line of a batch.
pub fn card(line: &[u8]) -> Option<Card> {
    let OnlyCard { card } = serde_json::from_str(std::str::from_utf8(line).ok()?).ok()?;
    card?.card()
}

/// Parses one record of the line of a batch; `None` if its checksum does not fit.
pub fn record(bytes: &[u8]) -> Option<Record> {
    let digits = frame::digits(bytes.strip_prefix(RECORD)?, 0)?;
    let members = bytes.get(RECORD.len() + DIGITS..)?.strip_prefix(b"\",")?;
    if digits != crc32fast::hash(members) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let usual = text.get(RECORD_PREFIX..).and_then(usual);
    usual.or_else(|| serde_json::from_str::<RecordText<'_>>(text).ok()?.record())
}

/// Parses a record whose body is its last member, as most are, without parsing the body.
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
    let header = values.next()?.ok()?.get();
    let body = rest.get(values.byte_offset()..)?.strip_prefix(",\"body\":")?.strip_suffix('}')?;
    if kind.contains('\\') {
        return None;
    }
    Some(Record {
        version: version.parse().ok()?,
        stream: Stream(stream.parse().ok()?),
        kind: kind.into(),
        header: header.into(),
        sum: u64::from_str_radix(sum, 16).ok()?,
        link: Hash::parse(link)?,
        salt: u128::from_str_radix(salt, 16).ok()?.to_be_bytes(),
        body: RecordBody::Inline(body.into()),
    })
}

/// The header of a batch, without a space and sizes.
pub fn header(
    records: &[Record],
    epoch: u64,
    project: Option<ProjectId>,
    card_at: Option<u64>,
) -> BatchHeader {
    BatchHeader {
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
    /// The end of the space that the seal states.
    pub const fn position(&self) -> Position {
        Position { version: self.version, hash: self.link }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sessile_testkit::journals::record;

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
            let mut header =
                BatchHeader { space: Some("s".into()), ..header(&records, 7, None, Some(0)) };
            let bytes = batch(&mut header, Some(&card), &records).unwrap();
            let places = header.places(bytes.len() as u32);
            for ((place, size), right) in places.iter().zip(&header.sizes).zip(&records) {
                let bytes = &bytes[*place as usize..(*place + *size) as usize];
                assert_eq!(super::record(bytes).as_ref(), Some(right), "{text:?}");
            }
            assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 1, "{text:?}");
            let line = frame::line(&bytes).unwrap();
            assert_eq!(parse(line), Some(ParsedLine::Batch(header)));
            assert_eq!(content(line), Some((Some(card.clone()), records)), "{text:?}");
            assert_eq!(super::card(line), Some(card));
            serde_json::from_slice::<&RawValue>(&bytes).unwrap();
        }
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_noticed() {
        let records = vec![record(1, 4, "{\"a\":1}"), record(2, 4, "two")];
        let mut header = header(&records, 7, None, None);
        let bytes = batch(&mut header, None, &records).unwrap();
        let places = header.places(bytes.len() as u32);
        let (from, size) = (places[0] as usize, header.sizes[0] as usize);
        let whole = &bytes[from..from + size];
        assert_eq!(super::record(whole).as_ref(), records.first());
        for at in 0..whole.len() {
            let mut bent = whole.to_vec();
            bent[at] ^= 1 << (at % 8);
            assert_eq!(super::record(&bent), None, "byte {at}");
        }
        assert_eq!(BatchHeader { sizes: vec![u32::MAX; 2], ..header }.places(500), [0; 0]);
    }

    #[test]
    fn a_seal_comes_back() {
        let project = Some(ProjectId::from_bits(3));
        let seal =
            Seal { version: 9, link: Hash::of(&[b"x"]), epoch: 4, project, card_at: Some(77) };
        let bytes = super::seal(&seal).unwrap();
        assert_eq!(parse(frame::line(&bytes).unwrap()), Some(ParsedLine::Seal(seal)));
    }
}
