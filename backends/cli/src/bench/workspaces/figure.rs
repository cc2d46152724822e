//! Figures, from what rounds took.

use std::time::Duration;

use serde::Serialize;
use sessile::{Clock, SystemClock};

/// A row of the table.
#[derive(Serialize)]
pub(super) struct Figure {
    pub(super) step: &'static str,
    pub(super) kind: &'static str,
    pub(super) millis: f64,
    pub(super) raw_millis: Option<f64>,
    pub(super) ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extra_disk_percent: Option<f64>,
}

impl Figure {
    fn new(step: &'static str, kind: &'static str, ours: &Steps, raw: &Steps) -> Self {
        let millis = ours.median(step).unwrap_or_default();
        let raw_millis = raw.median(step);
        let shown = |millis: f64| super::super::round(millis, 10.0);
        Self {
            step,
            kind,
            millis: shown(millis),
            raw_millis: raw_millis.map(shown),
            ratio: raw_millis.map(|raw| super::super::round(millis / raw.max(1e-9), 100.0)),
            extra_disk_percent: ours.disk(step).map(|percent| super::super::round(percent, 10.0)),
        }
    }
}

/// Milliseconds of each step, and percents of the disk, round by round.
#[derive(Default)]
pub(super) struct Steps {
    millis: Vec<(&'static str, Vec<f64>)>,
    disk: Vec<(&'static str, Vec<f64>)>,
}

impl Steps {
    pub(super) fn add(&mut self, step: &'static str, begin: Duration) {
        let millis = SystemClock.elapsed().saturating_sub(begin).as_secs_f64() * 1000.0;
        push(&mut self.millis, step, millis);
    }

    pub(super) fn add_disk(&mut self, step: &'static str, percent: f64) {
        push(&mut self.disk, step, percent);
    }

    /// A row for each step.
    pub(super) fn figures(&self, kind: &'static str, raw: &Self) -> Vec<Figure> {
        self.millis.iter().map(|(step, _)| Figure::new(step, kind, self, raw)).collect()
    }

    fn median(&self, step: &str) -> Option<f64> {
        median(&self.millis, step)
    }

    fn disk(&self, step: &str) -> Option<f64> {
        median(&self.disk, step)
    }
}

fn push(all: &mut Vec<(&'static str, Vec<f64>)>, step: &'static str, figure: f64) {
    match all.iter_mut().find(|(name, _)| *name == step) {
        Some((_, figures)) => figures.push(figure),
        None => all.push((step, vec![figure])),
    }
}

fn median(all: &[(&'static str, Vec<f64>)], step: &str) -> Option<f64> {
    let mut all = all.iter().find(|(name, _)| *name == step)?.1.clone();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}
