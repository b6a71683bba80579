//! Leads: the first application of Surefoot. A lead goes in, an enriched lead comes out whose every field has the words of a page.
//!
//! The workflow is `workflows/enrich.yaml`; here are the pure functions that its `native:` steps name, one module a stage, and what is
//! around them: [`crm`] is what the team works in, [`pages`] shows it, [`told`] says what came of a run, [`measure`] how good it is, [`sites`] makes the small web that it is tried on.

pub mod batch;
pub mod brief;
pub mod claim;
pub mod countries;
pub mod crm;
pub mod harness;
pub mod injection;
pub mod measure;
pub mod natives;
pub mod page;
pub mod pages;
pub mod reconcile;
pub mod resolve;
pub mod score;
pub mod sites;
pub mod structured;
pub mod told;
pub mod verify;
pub mod write;
