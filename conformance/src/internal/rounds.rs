//! Rounds that several processes begin together, by the one clock they share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::ClauseContext;

/// How long processes may take to start, before the first round begins.
const START: Duration = Duration::from_millis(300);

/// How far apart the calls of a round may begin, at most; one after the other, because calls take from a few to many.
const JITTER_MICROS: [u64; 4] = [1, 50, 200, 700];

/// What one process did in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Played<T> {
    began: Duration,
    ended: Duration,
    /// What came of it.
    pub said: T,
}

#[allow(clippy::disallowed_methods, reason = "processes begin a round by the one clock they share")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}

/// In a child program that [`in_rounds`](ClauseContext::in_rounds) started: its rounds.
#[derive(Debug)]
pub struct Rounds<T> {
    /// What is done in them.
    pub act: String,
    begin: Duration,
    length: Duration,
    on: std::vec::IntoIter<String>,
    rng: StdRng,
    played: Vec<Played<T>>,
    began: Duration,
}

impl<T: Serialize> Rounds<T> {
    /// As the clause ordered them.
    pub fn of(cx: &ClauseContext, args: &Value) -> Self {
        let time = |name: &str| serde_json::from_value(args[name].clone()).expect("a time");
        let on: Vec<String> = serde_json::from_value(args["on"].clone()).expect("the rounds");
        Self {
            act: args["act"].as_str().expect("an act").to_owned(),
            begin: time("begin"),
            length: time("length"),
            on: on.into_iter(),
            rng: StdRng::seed_from_u64(cx.seed()),
            played: Vec::new(),
            began: Duration::ZERO,
        }
    }

    /// The argument of the next round, which has not begun; none after the last.
    pub fn next_round(&mut self) -> Option<String> {
        self.on.next()
    }

    /// Waits until the round begins.
    pub async fn begin(&mut self) {
        let n = self.played.len();
        let jitter = self.rng.random_range(0..JITTER_MICROS[n % JITTER_MICROS.len()]);
        let at = self.begin + self.length * n as u32 + Duration::from_micros(jitter);
        while let Some(left) = at.checked_sub(now()) {
            if left > Duration::from_millis(2) {
                tokio::time::sleep(left - Duration::from_millis(2)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        self.began = now();
    }

    /// Ends the round: this came of it.
    pub fn end(&mut self, said: T) {
        self.played.push(Played { began: self.began, ended: now(), said });
    }

    /// All that came of them, for the clause.
    pub fn all(self) -> String {
        serde_json::to_string(&self.played).expect("what came of it is JSON")
    }
}

impl ClauseContext {
    /// Lets so many processes do one thing at once, round after round: a child program that plays its [`Rounds`], with one
    /// argument a round. Answers for each round what came of it in each process, and notes in how many they really met.
    pub async fn in_rounds<T: DeserializeOwned>(
        &self,
        program: &str,
        act: &str,
        processes: usize,
        length: Duration,
        on: &[String],
    ) -> Vec<Vec<T>> {
        let begin = now() + START;
        let args = json!({ "act": act, "begin": begin, "length": length, "on": on });
        let said = self.processes(program, processes, &args).await;
        let mut rounds: Vec<Vec<Played<T>>> = on.iter().map(|_| Vec::new()).collect();
        for said in said {
            let played: Vec<Played<T>> = serde_json::from_str(&said).expect("all rounds");
            assert_eq!(played.len(), on.len(), "one answer a round");
            rounds.iter_mut().zip(played).for_each(|(round, played)| round.push(played));
        }
        let met = rounds.iter().filter(|round| {
            let last_begin = round.iter().map(|it| it.began).max();
            round.iter().any(|it| Some(it.began) != last_begin && Some(it.ended) > last_begin)
        });
        self.note(format!("{act}: {} rounds, at once in {}", on.len(), met.count()));
        rounds.into_iter().map(|round| round.into_iter().map(|it| it.said).collect()).collect()
    }
}
