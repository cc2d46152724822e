//! Counting tokens: the trait, the estimate, and with the feature `tokens` two encodings of OpenAI's.
//!
//! ```
//! # #[cfg(feature = "tokens")] {
//! use sessile::{clock, tokens::O200k};
//!
//! let options = clock::options().with_token_counter(O200k);
//! # assert_eq!(options.tokens.name(), "o200k");
//! # }
//! ```
//!
//! The texts of a message are counted exactly as the encoding does, text that spells a special token as ordinary text; what
//! stands between them is [`PER_MESSAGE`]. The time is in proportion to the text, whatever it is: about 36 MB/s.
//!
//! The vocabularies are part of the program, so that nothing is fetched: 32 MB for `O200k`, 15 MB for `Cl100k`, and only those
//! that it uses. The first count takes about 0.1 s more and leaves 70 MB and 30 MB in memory.

#[doc(inline)]
pub use sessile_core::tokens::{Estimate, PER_BINARY, PER_MESSAGE, TokenCounter, count_texts};

#[cfg(feature = "tokens")]
pub use encodings::{Cl100k, O200k};

#[cfg(feature = "tokens")]
mod encodings {
    use sessile_core::{
        model::Message,
        tokens::{TokenCounter, count_texts},
    };

    /// Counts by `o200k_base`, the encoding of GPT-4o and of the models since.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct O200k;

    /// Counts by `cl100k_base`, the encoding of GPT-4 and GPT-3.5.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Cl100k;

    impl TokenCounter for O200k {
        fn name(&self) -> &str {
            "o200k"
        }

        fn count(&self, message: &Message) -> u64 {
            let encoding = bpe_openai::o200k_base();
            count_texts(message, |text| encoding.count(text) as u64)
        }
    }

    impl TokenCounter for Cl100k {
        fn name(&self) -> &str {
            "cl100k"
        }

        fn count(&self, message: &Message) -> u64 {
            let encoding = bpe_openai::cl100k_base();
            count_texts(message, |text| encoding.count(text) as u64)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::{
            model::{Part, Role},
            tokens::PER_MESSAGE,
        };

        /// The counts that OpenAI's cookbook shows where it compares its encodings.
        #[test]
        fn texts_have_the_tokens_that_their_encoding_gives_them() {
            for (text, cl100k, o200k) in [
                ("antidisestablishmentarianism", 6, 6),
                ("2 + 2 = 4", 7, 7),
                ("\u{304a}\u{8a95}\u{751f}\u{65e5}\u{304a}\u{3081}\u{3067}\u{3068}\u{3046}", 9, 8),
                ("tiktoken is great!", 6, 6),
            ] {
                let message = Message::text(Role::User, text);
                assert_eq!(Cl100k.count(&message), PER_MESSAGE + cl100k, "{text}");
                assert_eq!(O200k.count(&message), PER_MESSAGE + o200k, "{text}");
                let twice = Message::new(Role::User, vec![Part::text(text), Part::text(text)]);
                assert_eq!(O200k.count(&twice), PER_MESSAGE + 2 * o200k, "{text}");
            }
        }

        /// Texts on which other programs for these encodings panic, or take time by the square of their length.
        #[test]
        fn long_runs_of_one_character_are_counted() {
            for text in [" ", "a", "^", "\u{301}", "<|endoftext|>"] {
                let message = Message::text(Role::User, text.repeat(1 << 18));
                assert!(O200k.count(&message) > 1000, "{text:?}");
                assert!(Cl100k.count(&message) > 1000, "{text:?}");
            }
        }
    }
}
