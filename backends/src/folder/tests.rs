//! The folder against a model of plain maps, and against hostile things.
