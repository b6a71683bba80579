//! One suite for all backends: a backend joins by one line.

mod cases;

suite!(memory, crate::cases::Bed::memory());
suite!(sqlite, crate::cases::Bed::sqlite());
