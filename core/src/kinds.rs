//! Kinds of values of one's own: what a [`Part::Json`] of a certain kind must look like.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    error::{Error, Result},
    json::Json,
    model::{Message, Part},
};

/// Says what is wrong with a value.
type Validate = dyn Fn(&Json) -> std::result::Result<(), String> + Send + Sync;

/// Validators of [`Part::Json`], each for the values of one kind.
///
/// ```
/// use sessile_core::{json::Json, kinds::Kinds, model::{Message, Part, Role}};
///
/// let kinds = Kinds::default().with("plan", |value| match value.to::<Vec<String>>() {
///     Ok(steps) if steps.is_empty() => Err("a plan has at least one step".into()),
///     Ok(_) => Ok(()),
///     Err(error) => Err(error.to_string()),
/// });
/// let plan = |steps: &str| {
///     let value = Json::parse(steps).unwrap();
///     Message::new(Role::Assistant, vec![Part::Json { kind: "plan".into(), value }])
/// };
/// assert!(kinds.check(&plan(r#"["read", "write"]"#)).is_ok());
/// assert!(kinds.check(&plan("[]")).is_err());
/// ```
///
/// A [store](crate::store::StoreOptions::with_kind) checks the entries that it is given to append, and those that a session
/// begins with: one value refused, and nothing is written. What is stored already is read as it is, whatever a validator says of
/// it today, and values of a kind without a validator are taken as they are. A store in another process has validators of its
/// own.
#[derive(Clone, Default)]
pub struct Kinds(BTreeMap<String, Arc<Validate>>);

impl Kinds {
    /// With a validator of the values of a kind, in place of the one it had. Kinds are compared byte by byte; the empty one is
    /// a kind, too.
    ///
    /// What the validator returns is told to the caller of the write. It must answer at once and decide by the value alone: a
    /// command that is sent again is validated again. **It must not panic**: the store does not catch that, and the call, or the
    /// program, ends as it does for any other panic.
    #[must_use]
    pub fn with(
        mut self,
        kind: impl Into<String>,
        validate: impl Fn(&Json) -> std::result::Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(kind.into(), Arc::new(validate));
        self
    }

    /// `Invalid`, with the kind and the validator's words, for the first value of a message that its validator refuses; looks
    /// into the answers of tools, too.
    pub fn check(&self, message: &Message) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { self.check_parts(&message.parts) }
    }

    fn check_parts(&self, parts: &[Part]) -> Result<()> {
        parts.iter().try_for_each(|part| match part {
            Part::Json { kind, value } => self.check_value(kind, value),
            Part::ToolResult(result) => self.check_parts(&result.content),
            _ => Ok(()),
        })
    }

    fn check_value(&self, kind: &str, value: &Json) -> Result<()> {
        let Some(validate) = self.0.get(kind) else { return Ok(()) };
        validate(value).map_err(|reason| {
            Error::invalid("entries", format!("a value of the kind {kind:?} is refused: {reason}"))
        })
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Role, ToolOutcome, ToolResult};

    fn value(kind: &str, value: &str) -> Part {
        Part::Json { kind: kind.into(), value: Json::parse(value).unwrap() }
    }

    fn kinds() -> Kinds {
        let only = |text: &'static str| {
            move |value: &Json| match value.get() {
                found if found == text => Ok(()),
                found => Err(format!("{found} is not {text}")),
            }
        };
        Kinds::default().with("one", only("2")).with("", only("0")).with("one", only("1"))
    }

    #[test]
    fn values_of_a_kind_are_what_its_last_validator_accepts() {
        let check = |part| kinds().check(&Message::new(Role::User, vec![Part::text("x"), part]));
        for good in [value("one", "1"), value("", "0"), value("One", "7"), value("other", "{}")] {
            check(good).unwrap();
        }
        for (part, kind) in [(value("one", "2"), "one"), (value("", "[]"), "")] {
            let Part::Json { value, .. } = &part else { panic!("it is a value") };
            let words = format!("{} is not", value.get());
            let error = check(part.clone()).unwrap_err();
            let Error::Invalid { field: "entries", reason } = &error else { panic!("{error}") };
            assert!(reason.contains(&format!("{kind:?}")) && reason.contains(&words), "{reason}");
        }
        assert_eq!(format!("{:?}", kinds()), r#"{"", "one"}"#);
    }

    proptest! {
        #[test]
        fn one_bad_value_in_an_answer_refuses_the_message(
            before in 0_usize..4,
            after in 0_usize..4,
            depth in 0_usize..4,
            bad: bool,
        ) {
            let mut parts: Vec<Part> = (0..before).map(|_| value("one", "1")).collect();
            parts.push(value("one", if bad { "3" } else { "1" }));
            parts.extend((0..after).map(|_| value("other", "3")));
            for _ in 0..depth {
                parts = vec![Part::text(""), ToolResult::new(ToolOutcome::Ok, parts).into()];
            }
            let message = Message::new(Role::Tool, parts);
            prop_assert_eq!(kinds().check(&message).is_err(), bad);
            prop_assert!(Kinds::default().check(&message).is_ok());
        }
    }
}
