//! A mutant as a file: what it breaks in plain words, what must notice, and the change itself.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Which histories of LIN1 are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Histories {
    /// Those by tasks and those by processes, as the suite does.
    All,
    /// Those by processes alone: they find what tasks of one process cannot show.
    Processes,
}

impl fmt::Display for Histories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Processes => "processes",
        })
    }
}

/// A clause on a backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    /// The backend's name in the judge.
    pub(crate) backend: String,
    /// Which histories count.
    pub(crate) histories: Histories,
    /// The clause's number.
    pub(crate) clause: String,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.clause)?;
        if self.histories == Histories::Processes {
            write!(f, " by processes")?;
        }
        write!(f, " on {}", self.backend)
    }
}

/// One mutant.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    /// The file's name without its ending.
    pub(crate) name: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// What it breaks.
    pub(crate) breaks: String,
    /// The clauses that must fail, each by itself.
    pub(crate) clauses: Vec<String>,
    /// Where they are run.
    pub(crate) backend: String,
    /// Which histories count.
    pub(crate) histories: Histories,
}

impl Patch {
    /// Reads the lines before the change: a sentence, `Clauses: LIN1, CLK2`, and where they are needed `Backend: sqlite` and
    /// `Histories: processes`.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let mut patch = Self {
            name: name.to_owned(),
            path: path.to_owned(),
            breaks: String::new(),
            clauses: Vec::new(),
            backend: "plain".to_owned(),
            histories: Histories::All,
        };
        let mut lines = text.lines();
        let preamble = lines.by_ref().take_while(|line| !line.starts_with("diff --git "));
        for line in preamble.map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once(": ") {
                Some(("Clauses", clauses)) => {
                    patch.clauses = clauses.split(',').map(|id| id.trim().to_owned()).collect();
                }
                Some(("Backend", backend)) => backend.clone_into(&mut patch.backend),
                Some(("Histories", "processes")) => patch.histories = Histories::Processes,
                Some(("Histories", other)) => {
                    return Err(format!("{name}: Histories can be `processes`, not `{other}`"));
                }
                _ if patch.breaks.is_empty() => line.clone_into(&mut patch.breaks),
                _ => {
                    patch.breaks.push(' ');
                    patch.breaks.push_str(line);
                }
            }
        }
        if patch.breaks.is_empty() {
            return Err(format!("{name}: the first line must say what the patch breaks"));
        }
        if patch.clauses.iter().all(String::is_empty) {
            return Err(format!("{name}: a line `Clauses: ...` must name what has to fail"));
        }
        if !lines.any(|line| line.starts_with("@@ ")) {
            return Err(format!("{name}: no change follows the line `diff --git`"));
        }
        Ok(patch)
    }

    /// What has to fail, one by one.
    pub(crate) fn questions(&self) -> impl Iterator<Item = Question> {
        self.clauses.iter().map(|clause| Question {
            backend: self.backend.clone(),
            histories: self.histories,
            clause: clause.clone(),
        })
    }
}

/// All patches in folders below this one, by name.
pub(crate) fn all(folder: &Path) -> Result<Vec<Patch>, String> {
    let unreadable = |error| format!("cannot list {}: {error}", folder.display());
    let mut patches = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        if !entry.is_dir() {
            continue;
        }
        for file in entry.read_dir().map_err(unreadable)? {
            let file = file.map_err(unreadable)?.path();
            if file.extension().is_some_and(|ending| ending == "patch") {
                let text = std::fs::read_to_string(&file)
                    .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
                patches.push(Patch::parse(&file, &text)?);
            }
        }
    }
    patches.sort_by(|one, other| one.name.cmp(&other.name));
    let twice =
        patches.iter().zip(patches.iter().skip(1)).find(|(one, next)| one.name == next.name);
    match twice {
        Some((one, _)) => Err(format!("two patches are named {}", one.name)),
        None => Ok(patches),
    }
}

/// The next `n` of a list, beginning where the turn before ended; from the start again after the last.
pub(crate) fn in_turn(patches: Vec<Patch>, n: usize, turn: usize) -> Vec<Patch> {
    let len = patches.len();
    let start = turn.wrapping_mul(n).checked_rem(len).unwrap_or_default();
    let mut chosen: Vec<Patch> = patches.into_iter().cycle().skip(start).take(n.min(len)).collect();
    chosen.sort_by(|one, other| one.name.cmp(&other.name));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: &str = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";

    fn parse(preamble: &str) -> Result<Patch, String> {
        Patch::parse(Path::new("core/adds-one.patch"), &format!("{preamble}\n{CHANGE}"))
    }

    #[test]
    fn a_preamble_says_what_breaks_and_what_must_fail() {
        let patch = parse("Adds one\ntoo many.\n\nClauses: LIN1, CLK2\n").unwrap();
        assert_eq!(patch.name, "adds-one");
        assert_eq!(patch.breaks, "Adds one too many.");
        assert_eq!((patch.backend.as_str(), patch.histories), ("plain", Histories::All));
        let questions: Vec<String> = patch.questions().map(|q| q.to_string()).collect();
        assert_eq!(questions, ["LIN1 on plain", "CLK2 on plain"]);

        let patch = parse("A.\nClauses: LIN1\nBackend: sqlite\nHistories: processes\n").unwrap();
        let questions: Vec<String> = patch.questions().map(|q| q.to_string()).collect();
        assert_eq!(questions, ["LIN1 by processes on sqlite"]);
    }

    #[test]
    fn a_preamble_that_lacks_something_is_refused() {
        for lacking in ["Clauses: LIN1\n", "Adds one.\n", "A.\nClauses: LIN1\nHistories: some\n"] {
            assert!(parse(lacking).is_err(), "{lacking}");
        }
        let no_change = Patch::parse(Path::new("a.patch"), "A.\nClauses: LIN1\n");
        assert!(no_change.is_err());
    }

    #[test]
    fn turns_reach_every_patch() {
        let patches: Vec<Patch> = (0..7)
            .map(|n| Patch { name: n.to_string(), ..parse("A.\nClauses: LIN1\n").unwrap() })
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        for turn in 100..103 {
            let chosen = in_turn(patches.clone(), 3, turn);
            assert_eq!(chosen.len(), 3);
            seen.extend(chosen.into_iter().map(|patch| patch.name));
        }
        assert_eq!(seen.len(), 7);
        assert_eq!(in_turn(patches, 99, 5).len(), 7);
        assert!(in_turn(Vec::new(), 3, 5).is_empty());
    }
}
