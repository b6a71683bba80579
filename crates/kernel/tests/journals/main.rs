//! Text in, printed journal out: what each step kind writes.

mod drive;

mod acts;
mod agents;
mod approvals;
mod asks;
mod blocks;
mod budgets;
mod caches;
mod claims;
mod contexts;
mod control;
mod crashes;
mod crossings;
mod deadlines;
mod doubts;
mod events;
mod evidence;
mod forks;
mod handoffs;
mod helps;
mod paces;
mod parts;
mod pins;
mod plans;
mod prices;
mod proofs;
mod pure;
mod reasons;
mod repeats;
mod returns;
mod routes;
mod tables;
mod undos;
mod unsure;
mod waits;
