//! The engine in a world that crashes: fixed clock, scripted models, tools that count.

mod acts;
mod budgets;
mod caches;
mod crash;
mod cutting;
mod embedded;
mod events;
mod forks;
mod handoffs;
#[cfg(feature = "faults")]
mod mutants;
mod outbox;
mod paces;
mod people;
mod prices;
mod pure;
mod seals;
mod undos;
mod waits;
mod world;
