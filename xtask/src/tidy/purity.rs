//! The kernel decides and touches nothing.

use super::Found;
use crate::{house::House, rust};

/// Modules of the standard library that reach outside the process, or start something in it.
const MODULES: &[&str] = &["env", "fs", "io", "net", "os", "process", "thread"];

/// Names that bring a clock, a task or an order that changes from boot to boot.
const NAMES: &[(&str, &str)] = &[
    ("async", "the kernel is not async: what must wait is returned"),
    ("await", "the kernel is not async: what must wait is returned"),
    ("tokio", "the kernel is not async: what must wait is returned"),
    ("SystemTime", "`now` comes in"),
    ("Instant", "`now` comes in"),
    ("getrandom", "random bytes come in"),
    ("rand", "random bytes come in"),
    ("thread_local", "state comes in and is returned"),
];

/// No clock, no IO, no environment, no threads, no async in `crates/kernel/src`, tests included. clippy holds the calls; this
/// also holds the imports, so that a new function of a forbidden module needs no new line anywhere. Only files of tests may start
/// a thread: a small stack is how a test shows that deep input is survived.
pub fn kernel(house: &House) -> Found {
    let mut found = Found::default();
    for (path, text) in house.tree.under("crates/kernel/src/", ".rs") {
        let code = rust::code_only(text);
        for (line, module) in rust::std_modules(&code) {
            let small_stack = module == "thread" && (path.ends_with("/tests.rs") || path.contains("/tests/"));
            if MODULES.contains(&module.as_str()) && !small_stack {
                found.add(path, line, format!("the kernel must not reach for `std::{module}`"));
            }
        }
        for (line, name) in rust::identifiers(&code) {
            if let Some((_, why)) = NAMES.iter().find(|(forbidden, _)| *forbidden == name) {
                found.add(path, line, format!("the kernel must not know `{name}`: {why}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::testing::lines, *};

    #[test]
    fn a_clock_a_file_or_a_task_is_found() {
        let house = House::of(&[
            (
                "crates/kernel/src/next.rs",
                "//! Not async, no std::fs here.\nuse std::{fmt, fs};\nuse std::time::{Duration, Instant};\n\
                 async fn next() { std::env::var(\"X\"); }\nconst SAYS: &str = \"std::net and tokio\";\n",
            ),
            ("crates/kernel/src/yaml/tests.rs", "std::thread::Builder::new(); std::fs::read(\"x\");\n"),
            ("crates/runtime/src/lib.rs", "use std::fs;\n"),
        ]);
        assert_eq!(
            lines(&kernel(&house)),
            "crates/kernel/src/next.rs:2: the kernel must not reach for `std::fs`\n\
             crates/kernel/src/next.rs:4: the kernel must not reach for `std::env`\n\
             crates/kernel/src/next.rs:3: the kernel must not know `Instant`: `now` comes in\n\
             crates/kernel/src/next.rs:4: the kernel must not know `async`: the kernel is not async: what must wait is returned\n\
             crates/kernel/src/yaml/tests.rs:1: the kernel must not reach for `std::fs`\n"
        );
    }
}
