//! Lines of JSON that hold batches, and names that hold any text: what the journals of files and of objects have in common.

pub(crate) mod frame;
pub(crate) mod line;
pub(crate) mod name;
