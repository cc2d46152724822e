//! The suite on its own journal of maps: what is right is not failed, and each rule of the core is judged with next to
//! nothing to build.

fn main() -> std::process::ExitCode {
    sessile_conformance::main(vec![sessile_conformance::internal::MapJournal::backend()])
}
