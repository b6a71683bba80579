//! What the process says when it ends.

macro_rules! exits {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $meaning:literal;)*) => {
        /// How a command ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Exit { $($(#[$doc])* $name,)* }

        /// Every exit code: its number, its name, what it means. The reference page is made from it.
        pub const ALL: &[(i32, &str, &str)] = &[$(($code, $text, $meaning),)*];

        impl Exit {
            /// The number the process ends with.
            pub fn code(self) -> i32 {
                match self { $(Exit::$name => $code,)* }
            }

            /// What a process meant that ended with this number; a number that is not ours is a bug.
            pub fn of(code: i32) -> Exit {
                match code { $($code => Exit::$name,)* _ => Exit::Internal }
            }

            /// The name in `--json` errors.
            pub fn name(self) -> &'static str {
                match self { $(Exit::$name => $text,)* }
            }
        }
    };
}

exits! {
    /// Done.
    Ok = 0, "ok", "done";
    /// The run failed or was cancelled.
    RunFailed = 1, "run_failed", "the run failed or was cancelled; its journal says why";
    /// Wrong arguments.
    Usage = 2, "usage", "the command was called in a way that it does not know";
    /// The project is not in order.
    Project = 3, "project_errors", "the project has errors, a file is not formatted, a case does not hold, a rehearsal found what must never be, or `diff --check` a contract that changed under its readers";
    /// Something named does not exist.
    NotFound = 4, "not_found", "a folder, file, run or step does not exist";
    /// Another process has the data directory.
    InUse = 5, "in_use", "another process has the data directory";
    /// Evidence or data do not hold.
    Unverified = 6, "verification_failed", "evidence or data were changed, are damaged or incomplete";
    /// The data are of a newer version.
    Newer = 7, "newer_data", "the data are of a newer version of Surefoot";
    /// The run is not over: it waits for a person, a signal or a far time.
    Unfinished = 8, "unfinished", "the run is not over: it waits for a person, a signal or a time far away";
    /// A person may not do this, or not now.
    Refused = 9, "refused", "what was asked for is not done: this person may not, or not now";
    /// The data are older than their anchors, or a copy.
    PutBack = 10, "put_back", "the data were put back to an earlier state, or are a copy: nothing is driven before a person has decided";
    /// A bug of ours.
    Internal = 70, "internal", "a bug in Surefoot: please report it";
    /// The disk.
    Disk = 74, "disk", "a file cannot be read or written: no space, no permission, or a failing disk";
    /// Ctrl-C.
    Interrupted = 130, "interrupted", "stopped by Ctrl-C or a termination signal; nothing that was recorded is lost";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut names: Vec<_> = ALL.iter().map(|exit| exit.1).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert_eq!((Exit::Disk.code(), Exit::Disk.name()), (74, "disk"));
    }
}
