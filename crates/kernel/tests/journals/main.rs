//! Text in, printed journal out: what each step kind writes.

mod drive;

mod acts;
mod approvals;
mod asks;
mod blocks;
mod budgets;
mod control;
mod crashes;
mod crossings;
mod doubts;
mod evidence;
mod handoffs;
mod helps;
mod paces;
mod proofs;
mod pure;
mod reasons;
mod repeats;
mod returns;
mod routes;
mod undos;
mod unsure;
mod waits;
