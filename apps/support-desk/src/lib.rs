//! A support desk: the second application of Surefoot. An e-mail goes in; it is answered, refunded, or handed to a person.

pub mod banking;
pub mod chance;
pub mod fit;
pub mod learn;
pub mod measure;
