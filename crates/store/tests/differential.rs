//! The same random operations on two stores: every reply, every row and every byte of every journal must be equal.

mod cases;
mod walk;

use cases::Bed;
use walk::{KINDS, walk};

#[tokio::test]
async fn memory_and_sqlite_agree() {
    let mut done = [0; KINDS.len()];
    for seed in 0..24 {
        let (reference, other) = (Bed::memory(), Bed::sqlite());
        walk(seed, 250, &*reference.store, &*other.store, &mut done).await;
    }
    for (kind, done) in KINDS.iter().zip(done) {
        assert!(done > 0, "`{kind}` never happened: {KINDS:?} {done}");
    }
}
