//! Batches as lines of JSON with a length and a checksum, and names of files for any text. The journals of files and of
//! objects use them.

pub mod frame;
pub mod line;
pub mod name;
