//! Pure: the words, the facts, the decisions. No clock, no randomness, no IO, no async.
//!
//! # Words
//!
//! | word | meaning |
//! | --- | --- |
//! | **project** | the folder a user writes: workflows, prompts, schemas, tools, cases |
//! | **bundle** | a project frozen: canonical JSON, named by its SHA-256; a run is pinned to one |
//! | **workflow → stage → step** | the program; a group of steps sharing one context; one thing done |
//! | **run** | one execution of one workflow on one input |
//! | **event / entry** | a fact / that fact with its number, time and hash in the run's **journal** |
//! | **shared, stage, task** | the three context layers: the whole run's, the stage's, the step's own |
//! | **manifest** | what exactly one model call was shown |
//! | **proposal → verdict → permit → outcome** | a step asks → we judge → leave to act once → what the tool answered |
//! | **charter / hold** | what all runs are judged by today: policies, people, holds / a stop put on a tool, model, workflow or tenant |
//! | **approval** | a person's decision on one exact proposal |
//! | **channel / news** | by which way people are told / what they are told of a run that needs them |
//! | **pace / place** | a rate limit of a tool or model / leave for one sending within it |
//! | **route / cooling** | models that stand in for each other / the time in which nobody asks a model that had no room |
//! | **kept answer / source** | a model's valid answer that the response cache gives to who would send the same / the run and entry it comes from |
//! | **failure kind** | the typed name of what went wrong; each has its own recovery |
//! | **frame / body** | where values of steps live / the steps of one item, branch or turn, with a frame of their own |
//! | **visit / attempt** | a step done afresh (`~2`) / one sending within a visit |

pub mod action;
pub mod cache;
pub mod complaint;
pub mod context;
mod deadline;
pub mod evidence;
pub mod expr;
pub mod fmt;
pub mod foresee;
pub mod fork;
pub mod governance;
mod help;
pub mod ids;
pub mod jcs;
pub mod journal;
pub mod next;
pub mod pace;
pub mod recovery;
pub mod report;
pub mod routes;
pub mod run;
pub mod schema;
pub mod settle;
pub mod spend;
pub mod step;
pub mod story;
pub mod tool;
pub mod types;
mod undo;
pub mod unsure;
pub mod values;
pub mod why;
pub mod workflow;
pub mod yaml;
