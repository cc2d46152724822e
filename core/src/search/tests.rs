//! What is found, against the definition; what is shown of it; what is looked into.

use caseless::Caseless as _;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use super::*;
use crate::{
    error::ErrorKind,
    json::Json,
    model::{
        Artifact, Binary, Message, Part, Reasoning, Role, Text, ToolCall, ToolOutcome, ToolResult,
    },
};

fn search(text: &str) -> SearchText {
    SearchText::new(text).unwrap()
}

/// The definition.
fn form(text: &str) -> String {
    text.nfd().default_case_fold().nfc().collect()
}

#[test]
fn texts_of_1_to_1024_bytes_are_searched_for() {
    for bad in ["", &"a".repeat(1025), &"\u{e9}".repeat(513)] {
        assert_eq!(SearchText::new(bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
    }
    for good in ["a", " ", "\0", "\u{301}", "\u{200d}", &"a".repeat(1024), &"\u{390}".repeat(512)] {
        assert!(search(good).is_in(good), "{good:?}");
    }
    assert_eq!(format!("{:?}", search("A")), "SearchText(\"A\")");
}

#[test]
fn case_and_spelling_of_letters_do_not_matter() {
    for (text, with) in [
        ("Stra\u{df}e", "STRASSE"),
        ("STRASSE", "stra\u{1e9e}e"),
        ("caf\u{e9}", "CAFE\u{301}"),
        ("\u{39f}\u{394}\u{39f}\u{3a3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}"),
        ("\u{d55c}\u{ae00}", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
        ("\u{130}stanbul", "i\u{307}STANBUL"),
        ("a\u{323}\u{302}", "\u{1eac}"),
        ("\u{212b}ngstr\u{f6}m", "\u{e5}NGSTRO\u{308}M"),
        ("\u{fb01}nd", "FIND"),
        ("\u{1f03}\u{345}", "\u{1f0b}\u{399}"),
        ("100%_*'\"\\ \u{0}", "100%_*'\"\\ \u{0}"),
    ] {
        assert!(search(with).is_in(text), "{with:?} in {text:?}");
        assert!(search(text).is_in(with), "{text:?} in {with:?}");
    }
    for (text, with) in [
        ("\u{e9}", "e"),
        ("e\u{301}", "E"),
        ("I", "\u{131}"),
        ("\u{130}stanbul", "istanbul"),
        ("100x", "100%"),
        ("abc", "a_c"),
        ("\u{b2}", "2"),
        ("a\u{ad}b", "ab"),
    ] {
        assert!(!search(with).is_in(text), "{with:?} not in {text:?}");
    }
}

#[test]
fn a_hit_is_shown_with_80_characters_on_each_side() {
    let hit = search("needle").find("a Needle b").unwrap();
    assert_eq!(hit.split(), ("a ", "Needle", " b"));
    assert!(!hit.cut_before && !hit.cut_after);
    assert_eq!(hit.to_string(), "a Needle b");

    let text = format!("{}NEEDLE{}", "x".repeat(81), "\u{e9}".repeat(81));
    let hit = search("needle").find(&text).unwrap();
    assert_eq!(hit.split(), (&*"x".repeat(80), "NEEDLE", &*"\u{e9}".repeat(80)));
    assert!(hit.cut_before && hit.cut_after);
    assert!(hit.to_string().starts_with("...x") && hit.to_string().ends_with("\u{e9}..."));

    // The hit covers the characters it lies in.
    let split = |with: &str, text: &str| {
        let hit = search(with).find(text).unwrap();
        let (before, hit, after) = hit.split();
        [before, hit, after].map(str::to_owned)
    };
    assert_eq!(split("s", "Stra\u{df}e"), ["", "S", "tra\u{df}e"]);
    assert_eq!(split("SE", "Stra\u{df}e"), ["Stra", "\u{df}e", ""]);
    assert_eq!(split("q", "x q\u{303} y"), ["x ", "q\u{303}", " y"]);
    assert_eq!(split("\u{e9}", "Re\u{301}e\u{301}"), ["R", "e\u{301}", "e\u{301}"]);

    let shown = search("a").find("\u{1b}[2Ja\u{202e}b").unwrap().to_string();
    assert_eq!(shown, "\\u{1b}[2Ja\\u{202e}b");
}

#[test]
fn a_snippet_is_cut_between_what_a_person_sees_as_one() {
    let family = "\u{1f469}\u{1f3fd}\u{200d}\u{1f469}\u{200d}\u{1f467}";
    for one in [family, "e\u{301}\u{323}", "\u{915}\u{94d}\u{937}\u{93f}", "\u{2764}\u{fe0f}"] {
        for pad in 0..90 {
            let text = format!(
                "{}{one}{}x{}{one}",
                "b".repeat(99 - pad),
                "a".repeat(pad),
                "a".repeat(pad)
            );
            let hit = search("x").find(&text).unwrap();
            let (before, _, after) = hit.split();
            assert!(before.chars().count() <= 80 && after.chars().count() <= 80);
            for side in [before, after] {
                let rest = side.replace(one, "").replace(['a', 'b'], "");
                assert!(
                    rest.is_empty() || one.starts_with('\u{915}'),
                    "{rest:?} of {one:?} at {pad}"
                );
            }
        }
    }
}

#[test]
fn a_letter_with_a_million_marks_is_found_and_shown_in_part() {
    let text = format!("before q{} after", "\u{301}\u{323}".repeat(500_000));
    let hit = search("Q").find(&text).unwrap();
    assert_eq!(hit.split().0, "before ");
    assert!(hit.cut_after && hit.text.len() < 4 << 10, "{} bytes", hit.text.len());
    assert!(search("after").is_in(&text));
    assert!(!search("\u{302}").is_in(&text));
}

/// Texts that have been someone's bug.
const HOSTILE: &[&str] = &[
    "a",
    "B",
    "s",
    "S",
    "ss",
    "I",
    "i",
    "x",
    " ",
    "\n",
    "\0",
    "\"",
    "\\",
    "%",
    "_",
    "*",
    "\r\n",
    "e\u{301}",
    "\u{e9}",
    "\u{c9}",
    "\u{301}",
    "\u{323}",
    "\u{345}",
    "\u{307}",
    "\u{308}",
    "\u{df}",
    "\u{1e9e}",
    "\u{130}",
    "\u{131}",
    "i\u{307}",
    "\u{3a3}",
    "\u{3c3}",
    "\u{3c2}",
    "\u{1100}",
    "\u{1161}",
    "\u{11a8}",
    "\u{ac00}",
    "\u{ac01}",
    "\u{fb01}",
    "\u{fb03}",
    "\u{149}",
    "\u{1f0}",
    "\u{390}",
    "\u{1fb3}",
    "\u{1fb7}",
    "\u{1f80}",
    "\u{1fbc}",
    "\u{212a}",
    "\u{212b}",
    "\u{344}",
    "\u{f73}",
    "\u{958}",
    "\u{9c7}",
    "\u{9be}",
    "\u{fb1d}",
    "\u{fb2c}",
    "\u{1d160}",
    "\u{13a0}",
    "\u{ab70}",
    "\u{1c80}",
    "\u{10400}",
    "\u{1f600}",
    "\u{200d}",
    "\u{fe0f}",
    "\u{1f3fd}",
    "\u{202e}",
    "\u{2066}",
    "\u{200f}",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
    "\u{2126}",
    "\u{1e0a}\u{323}",
];

fn hostile(len: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(HOSTILE).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-zA-Z ]{0,12}",
    ];
    proptest::collection::vec(piece, len).prop_map(|pieces| pieces.concat())
}

/// A text, and one to search for: a piece of it that is spelt in another way, or any other.
fn pairs() -> impl Strategy<Value = (String, String)> {
    let piece = (any::<proptest::sample::Index>(), 1_usize..6, 0..6);
    let pairs = (hostile(0..40), piece, hostile(1..4), any::<bool>());
    let pairs = pairs.prop_map(|(text, piece, other, part_of_it)| {
        let chars: Vec<char> = text.chars().collect();
        if !part_of_it || chars.is_empty() {
            return (text, other);
        }
        let from = piece.0.index(chars.len());
        let part: String = chars.iter().skip(from).take(piece.1).collect();
        let part = match piece.2 {
            0 => part.to_uppercase(),
            1 => part.to_lowercase(),
            2 => part.nfc().collect(),
            3 => part.nfd().collect(),
            4 => form(&part),
            _ => part,
        };
        (text, part)
    });
    pairs.prop_filter("nothing to search for", |(_, with)| !with.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_found_is_what_the_definition_says((text, with) in pairs(), window in 1_usize..40) {
        let right = form(&text).find(&form(&with));
        let search = search(&with);
        prop_assert_eq!(search.is_in(&text), right.is_some());
        let found = folded::find(&search.finder, &text, window);
        prop_assert_eq!(found.as_ref().map(|found| found.start), right);
        // It lies in these clusters and in no fewer.
        let Some(found) = found else { return Ok(()) };
        let starts = text.char_indices().filter(|(_, c)| folded::begins_cluster(*c));
        let mut cuts: Vec<usize> = starts.map(|(at, _)| at).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let upto = |cut: &usize| form(&text[..*cut]).len();
        let start = cuts.iter().rfind(|cut| upto(cut) <= found.start);
        let end = cuts.iter().find(|cut| upto(cut) >= found.end);
        let original = folded::original(&text, &found);
        prop_assert_eq!((Some(&original.start), Some(&original.end)), (start, end));
    }

    #[test]
    fn a_snippet_holds_its_hit_and_stands_in_the_text((text, with) in pairs(), pad in 0_usize..200) {
        let text = format!("{}{text}{}", "\u{3b1}".repeat(pad), "z".repeat(200 - pad));
        let Some(snippet) = search(&with).find(&text) else { return Ok(()) };
        let (before, hit, after) = snippet.split();
        prop_assert_eq!(format!("{before}{hit}{after}"), &*snippet.text);
        prop_assert!(before.chars().count() <= 80 && after.chars().count() <= 80);
        prop_assert!(form(hit).contains(&form(&with)), "{:?} in {:?}", with, hit);
        let places: Vec<usize> = text.match_indices(&snippet.text).map(|(at, _)| at).collect();
        let ends = |at: &usize| {
            (*at > 0) == snippet.cut_before && (at + snippet.text.len() < text.len()) == snippet.cut_after
        };
        prop_assert!(places.iter().any(ends), "{:?} in {:?}", snippet, text);
    }

    #[test]
    fn spelling_and_case_of_either_side_do_not_matter((text, with) in pairs()) {
        let right = search(&with).is_in(&text);
        let ways = |text: &str| {
            let (nfc, nfd): (String, String) = (text.nfc().collect(), text.nfd().collect());
            // Upper case alone tells a dotless i from a dotted one.
            let cased = nfd.replace('\u{131}', "\u{1}");
            let back = |text: String| text.replace('\u{1}', "\u{131}");
            [back(cased.to_uppercase()), back(cased.to_lowercase()), nfc, nfd]
        };
        for text in ways(&text) {
            for with in ways(&with).into_iter().filter(|with| with.len() <= TEXT_BYTES) {
                prop_assert_eq!(search(&with).is_in(&text), right, "{:?} in {:?}", with, text);
            }
        }
    }

    #[test]
    fn strings_of_json_are_found_as_they_are_meant(texts in proptest::collection::vec(hostile(0..5), 0..5)) {
        let value = serde_json::json!({"key \"k\"": texts, "n": [1, null, {"k": {}}], "": ""});
        let spelt = serde_json::to_string_pretty(&value).unwrap();
        let escaped: String = spelt
            .chars()
            .map(|c| if c.is_ascii() { c.into() } else { utf16(c) })
            .collect();
        for spelt in [spelt, escaped] {
            // As a store of an older release may have it, white space included.
            let json: Json = serde_json::from_str(&spelt).unwrap();
            let part = Part::Json { kind: "kind".into(), value: json };
            let message = Message::new(Role::User, vec![part]);
            let mut seen: Vec<String> = message.visible_texts().map(|text| text.into_owned()).collect();
            seen.retain(|text| !text.is_empty());
            let right: Vec<String> = texts.iter().filter(|text| !text.is_empty()).cloned().collect();
            prop_assert_eq!(seen, right);
        }
    }
}

fn utf16(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

#[test]
fn a_search_looks_into_what_people_see() {
    let json = |text: &str| Json::parse(text).unwrap();
    let hidden = json("\"hidden\"");
    let result = ToolResult::new(
        ToolOutcome::Ok,
        vec![
            Part::text("seen 8"),
            ToolResult::json(ToolOutcome::Error, json(r#"{"hidden":"seen 9"}"#)).into(),
            Part::text("seen 10"),
        ],
    );
    let mut text = Text::new("seen 2").with_signature("hidden").with_extra(hidden.clone());
    text.text.push_str("\nsecond line");
    let parts = vec![
        text.into(),
        Reasoning::new("seen 3")
            .with_summary("seen 4")
            .with_summary("seen 5")
            .with_id("hidden")
            .with_encrypted("hidden")
            .into(),
        ToolCall::new("seen 6", json(r#"{"hidden":[1,"seen 7 a\"b\n"]}"#)).with_id("hidden").into(),
        result.with_name("hidden").with_id("hidden").into(),
        Part::Json { kind: "hidden".into(), value: json(r#""seen 11""#) },
        Artifact::new("seen 12").with_media_type("hidden").into(),
        Binary::new("hidden", *b"hidden").with_name("seen 13").into(),
        Binary::new("hidden", *b"hidden").into(),
    ];
    let message = Message::new(Role::Assistant, parts).with_name("seen 1").with_metadata(hidden);
    let seen: Vec<String> = message.visible_texts().map(|text| text.into_owned()).collect();
    let first = |text: &String| text.split(['\n', 'a']).next().unwrap().trim().to_owned();
    assert_eq!(
        seen.iter().map(first).collect::<Vec<_>>(),
        (1..14).map(|n| format!("seen {n}")).collect::<Vec<_>>()
    );

    assert!(search("hidden").find_in(&message).is_none());
    assert_eq!(search("A\"B\n").find_in(&message).unwrap().text, "seen 7 a\"b\n");
    assert_eq!(search("2\nsecond").find_in(&message).unwrap().text, "seen 2\nsecond line");
    assert!(search("seen 8seen 9").find_in(&message).is_none(), "no hit spans two texts");
    assert!(search("x").find_in(&Message::new(Role::Tool, Vec::new())).is_none());
}
