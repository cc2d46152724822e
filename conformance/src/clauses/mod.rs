//! Every clause that has a test, module by module.

pub mod asleep;
pub mod clk;
pub mod crs;
pub mod j_cache;
pub mod j_cancel;
pub mod j_commit;
pub mod j_damage;
pub mod j_drop;
pub mod j_erase;
pub mod j_life;
pub mod j_read;
pub mod j_space;
pub mod lea;
pub mod lin;
pub mod msg_append;
pub mod msg_chain;
pub mod msg_key;
pub mod msg_read;
pub mod prj;
pub mod purge;
pub mod rounds;
pub mod run;
pub mod ses;
pub mod ses_all;
pub mod ses_list;
pub mod sub;
pub mod sub_edge;
pub mod ten;
pub mod thd;
pub mod thd_end;
pub mod thd_list;
pub mod usage;

use crate::Clause;

/// The clauses of each module.
const MODULES: &[&[Clause]] = &[
    j_commit::CLAUSES,
    j_read::CLAUSES,
    j_space::CLAUSES,
    j_drop::CLAUSES,
    j_erase::CLAUSES,
    j_cancel::CLAUSES,
    j_life::CLAUSES,
    j_cache::CLAUSES,
    j_damage::CLAUSES,
    ten::CLAUSES,
    prj::CLAUSES,
    thd::CLAUSES,
    thd_end::CLAUSES,
    thd_list::CLAUSES,
    purge::CLAUSES,
    ses::CLAUSES,
    ses_all::CLAUSES,
    ses_list::CLAUSES,
    sub::CLAUSES,
    sub_edge::CLAUSES,
    msg_append::CLAUSES,
    msg_chain::CLAUSES,
    msg_key::CLAUSES,
    msg_read::CLAUSES,
    lea::CLAUSES,
    run::CLAUSES,
    usage::CLAUSES,
    crate::machine::CLAUSES,
    lin::CLAUSES,
    clk::CLAUSES,
    crs::CLAUSES,
    asleep::CLAUSES,
];

/// What other processes do in the clauses of each module.
pub(crate) const ROLES: &[&[crate::roles::Role]] = &[
    rounds::ROLES,
    j_commit::ROLES,
    j_read::ROLES,
    j_drop::ROLES,
    j_life::ROLES,
    j_cache::ROLES,
    prj::ROLES,
    thd::ROLES,
    thd_end::ROLES,
    sub_edge::ROLES,
    msg_append::ROLES,
    lea::ROLES,
    usage::ROLES,
    lin::ROLES,
    clk::ROLES,
    crate::history::processes::ROLES,
    crs::ROLES,
];

/// All clauses.
pub fn all() -> impl Iterator<Item = &'static Clause> {
    MODULES.iter().copied().flatten()
}
