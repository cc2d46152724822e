//! The writing half: groups, and what becomes of them when something fails.

use std::{cell::Cell, sync::Arc};

use redb::Database;
use sessile_core::{
    error::{Result, Source},
    journal::Commit,
};

use super::{
    RedbShared, apply,
    error::{self, EngineResult, RedbFailure},
    schema::{self, Tables},
};
use sessile_driver::engine::{Committed, Engine, Job, Write};

#[derive(Debug)]
pub(super) struct Writer(pub(super) Arc<RedbShared>);

/// What one transaction made of its jobs: `None` for what it wrote.
type Answers = Vec<Option<Commit>>;

impl Writer {
    /// `ending` becomes true when it is no longer certain that a failure leaves nothing behind.
    fn transact(
        &self,
        db: &Database,
        jobs: &[&Job],
        answers: &mut Answers,
        ending: &Cell<bool>,
    ) -> EngineResult<()> {
        let mut txn = db.begin_write()?;
        txn.set_quick_repair(self.0.options.quick_repair);
        {
            let mut tables = Tables::new(&txn);
            for job in jobs {
                answers.push(apply::apply(&mut tables, job)?);
            }
        }
        if answers.iter().all(Option::is_some) {
            txn.abort()?;
        } else {
            ending.set(true);
            txn.commit()?;
        }
        Ok(())
    }

    /// After a commit that failed: opens the file again, which settles what of it is there, and looks. An error means that
    /// nothing was applied; `Some`, that nobody knows.
    fn settle(&self, generation: u64, jobs: &[&Job], error: redb::Error) -> Result<Option<Source>> {
        if self.0.flush.failed().is_some() {
            self.0.notifier.notify_all();
            return Ok(Some(Arc::new(error)));
        }
        match self.0.revive(generation).and_then(|()| self.landed(jobs)) {
            Ok(true) => Ok(None),
            Ok(false) => Err(self.0.engine_error(error)),
            Err(_) => Ok(Some(Arc::new(error))),
        }
    }

    /// Whether the last write that can be looked up is there, and so all of them are. What cannot be looked up may be
    /// written twice: blobs, snapshots, erasures.
    fn landed(&self, jobs: &[&Job]) -> Result<bool> {
        let last = jobs.iter().rev().find_map(|job| match &job.write {
            Write::Batch { batch, .. } => Some((&job.space, batch.records.last())),
            Write::Drop { .. } => Some((&job.space, None)),
            _ => None,
        });
        let Some((space, record)) = last else { return Ok(false) };
        self.0.read(|txn| {
            let Some(record) = record else {
                let other = txn.open_table(schema::OTHER)?.get(schema::space_key(space))?;
                return Ok(other.is_some_and(|number| number.value() == schema::DROPPED));
            };
            let Some(row) = super::read::find(txn, space)? else { return Ok(false) };
            let records = txn.open_table(schema::RECORD)?;
            let value = records.get((row.id, record.version))?;
            let there =
                value.and_then(|value| schema::decode_record(record.version, value.value()));
            Ok(there.is_some_and(|there| there.record == *record))
        })
    }
}

impl Engine for Writer {
    /// Nobody else has the file.
    fn begin(&mut self) -> Result<bool> {
        self.0.check()?;
        Ok(true)
    }

    fn commit(&mut self, jobs: &[&Job], _may_hold: bool) -> Result<Committed> {
        let (ending, mut answers) = (Cell::new(false), Answers::with_capacity(jobs.len()));
        let transact = |db: &Database| self.transact(db, jobs, &mut answers, &ending);
        let (generation, done) = self.0.with(transact)?;
        let written = jobs.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
        let written: Vec<&Job> = written.map(|(job, _)| *job).collect();
        let doubt = match done {
            Ok(()) => None,
            Err(RedbFailure::Stated(error)) => return Err(error),
            Err(RedbFailure::Engine(error)) if ending.get() => {
                self.settle(generation, &written, error)?
            }
            Err(RedbFailure::Engine(error)) => {
                if error::is_final(&error) {
                    // If it fails, whoever comes next tries again.
                    let _ = self.0.revive(generation);
                }
                return Err(self.0.engine_error(error));
            }
        };
        for job in &written {
            self.0.notifier.notify(&job.space);
        }
        Ok(Committed::new(answers, doubt, None))
    }

    fn release(&mut self) {}

    fn close(&mut self) -> Result<()> {
        self.0.shut()
    }
}
