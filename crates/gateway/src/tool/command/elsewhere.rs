//! The sandbox of a command where there is none: nothing runs.

use std::ffi::OsString;

/// The first argument of a sandbox.
pub const OUTER: &str = "__sandbox";
pub(super) const CANNOT: i32 = 125;
pub(crate) const SAYS: &str = "surefoot sandbox: ";

/// Whether this process was started as a sandbox, and if so how it ended.
pub fn main(args: &[OsString]) -> Option<i32> {
    args.get(1).filter(|step| *step == OUTER)?;
    #[expect(clippy::print_stderr, reason = "the one thing that this process says, to the process that started it")]
    {
        eprint!("{SAYS}commands run on Linux only");
    }
    Some(CANNOT)
}

pub(crate) fn nobody() -> Option<u32> {
    None
}

/// The process that was started ends by itself: it starts nothing.
pub(crate) fn kill(_group: u32) {}
