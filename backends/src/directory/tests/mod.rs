//! What the module promises, and what kills leave.
