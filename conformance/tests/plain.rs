//! The suite on its own journal and workspace driver of maps: what is right is not failed, and each rule of the core is judged
//! with next to nothing to build.

use sessile_conformance::internal::{MapArchive, MapDriver, MapJournal};

fn main() -> std::process::ExitCode {
    sessile_conformance::main(vec![
        MapJournal::backend(),
        MapDriver::backend(),
        MapArchive::backend(),
    ])
}
