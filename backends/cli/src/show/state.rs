//! Keyed state as people read it.

use sessile::model::KeyedState;

use crate::{
    fail::Result,
    report::{Align, Out, Table, clean, count, short},
};

/// Columns of a key, and of a value.
const KEY: usize = 32;
const VALUE: usize = 100;

/// Prints the values, each on one line and shortened; nothing where there are none.
pub(super) fn print(out: &mut Out, state: &KeyedState) -> Result<()> {
    if state.values.is_empty() {
        return Ok(());
    }
    let columns = [("state", Align::Left), ("value", Align::Left), ("version", Align::Right)];
    let mut table = Table::new(columns).indented("  ");
    for value in &state.values {
        let (key, shown) = (clean(&value.key), clean(start(value.value.get())));
        table.row([short(&key, KEY), short(&shown, VALUE), count(value.version)]);
    }
    out.line("")?;
    out.table(&table)
}

/// As much of a value as can be seen of it, and one character more: it may be large.
fn start(value: &str) -> &str {
    value.char_indices().nth(VALUE + 1).map_or(value, |(at, _)| value.get(..at).unwrap_or(value))
}
