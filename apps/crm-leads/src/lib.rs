//! Leads: the first application of Surefoot.
//!
//! [`sites`] makes the small web that its cases are tried on: companies' sites on `.test` hosts, with the truth about each.

pub mod sites;
