//! The same random operations on two stores: every reply, every row and every byte of every journal must be equal.

mod cases;
mod walk;

use cases::Bed;
use walk::{KINDS, walk};

#[tokio::test]
async fn memory_and_sqlite_agree() {
    let mut done = [0; KINDS.len()];
    for seed in 0..32 {
        let (reference, other) = (Bed::memory(), Bed::sqlite());
        walk(seed, 500, &*reference.store, &*other.store, &mut done).await;
    }
    let never: Vec<_> = KINDS.iter().zip(done).filter(|(_, done)| *done == 0).map(|(kind, _)| kind).collect();
    assert!(never.is_empty(), "never happened: {never:?}");
}
