//! Text in, printed journal out: what each step kind writes.

mod drive;

mod acts;
mod approvals;
mod blocks;
mod budgets;
mod control;
mod crashes;
mod doubts;
mod pure;
mod reasons;
mod repeats;
mod waits;
