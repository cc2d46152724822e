//! Ids: injective, strict, in order.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use sessile_core::{
    id::{
        EntryId, ProjectId, RunId, SessionId, Space, SpaceKind, SubSessionId, TenantId, ThreadId,
        UserId,
    },
    json::{Json, mend},
};

proptest! {
    #[test]
    fn text_and_value_are_one(bits in any::<u128>(), version in 1_u64..) {
        let thread = ThreadId::from_bits(bits);
        prop_assert_eq!(thread.to_string().parse::<ThreadId>().unwrap(), thread);
        let project = ProjectId::from_bits(bits);
        prop_assert_eq!(project.to_string().parse::<ProjectId>().unwrap(), project);
        let session = SessionId::new(thread, version);
        prop_assert_eq!(session.to_string().parse::<SessionId>().unwrap(), session);
        prop_assert!(session.to_string().parse::<RunId>().is_err());
        prop_assert!(session.to_string().parse::<EntryId>().is_err());
        prop_assert!(session.to_string().parse::<SubSessionId>().is_err());
    }

    #[test]
    fn strings_sort_as_values_do(bits in any::<u128>(), a in 1_u64.., b in 1_u64..) {
        let thread = ThreadId::from_bits(bits);
        let (one, two) = (EntryId::new(thread, a), EntryId::new(thread, b));
        prop_assert_eq!(one.cmp(&two), one.to_string().cmp(&two.to_string()));
    }

    #[test]
    fn what_parses_prints_the_same(text in "(prj|thd|ses|run|msg|sub)_[0-9a-zA-Z_]{0,40}|\\PC{0,60}") {
        if let Ok(id) = text.parse::<ThreadId>() { prop_assert_eq!(id.to_string(), text.clone()); }
        if let Ok(id) = text.parse::<ProjectId>() { prop_assert_eq!(id.to_string(), text.clone()); }
        if let Ok(id) = text.parse::<SessionId>() { prop_assert_eq!(id.to_string(), text.clone()); }
    }

    #[test]
    fn spaces_are_named_injectively(
        tenants in prop::array::uniform2("[a-z0-9][a-z0-9._-]{0,12}"),
        bits in prop::array::uniform2(0_u128..4),
        kinds in prop::array::uniform2(prop_oneof![Just(SpaceKind::Project), Just(SpaceKind::Thread)]),
    ) {
        let [one, two] = [0, 1].map(|i: usize| {
            Space::new(TenantId::new(tenants.get(i).unwrap()).unwrap(), *kinds.get(i).unwrap(), *bits.get(i).unwrap())
        });
        prop_assert_eq!(one == two, one.to_string() == two.to_string());
    }

    #[test]
    fn the_tag_tells_the_tenant(millis in any::<u64>(), random in any::<u64>()) {
        let (acme, other) = (TenantId::new("acme").unwrap(), TenantId::new("acme.").unwrap());
        prop_assert_eq!(ThreadId::mint(&acme, millis, random).tag(), acme.tag());
        prop_assert_ne!(ThreadId::mint(&acme, millis, random).tag(), other.tag());
    }

    #[test]
    fn outside_ids_are_judged_and_never_panic(text in "\\PC{0,140}|[\\x00-\\x20]{1,4}|\\.{1,3}/?") {
        let fits = !text.is_empty() && text.len() <= 128 && !text.chars().any(char::is_control);
        prop_assert_eq!(UserId::new(&text).is_ok(), fits);
        if let Ok(tenant) = TenantId::new(&text) {
            prop_assert!(!tenant.as_str().contains(['/', '\\', '\0']) && !tenant.as_str().starts_with('.'));
        }
    }

    #[test]
    fn json_is_kept_or_refused(text in "[\\[\\]{}\",:0-9a-z\\\\u d8fe.-]{0,60}") {
        match Json::parse(&text) {
            Ok(json) => prop_assert_eq!(Json::parse(json.get()).unwrap(), json),
            Err(_) => if let Ok(mended) = mend(&text) { prop_assert!(mended.surrogates > 0); },
        }
    }
}
