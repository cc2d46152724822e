//! The contract, as tests.
