//! What a sandbox lets in besides what programs are made of, for a server that a tool file declares.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The name of a variable that is meant for the program in the sandbox begins with this: the processes that make the sandbox are not
/// moved by it.
pub(crate) const ENV: &str = "SANDBOXED_";

/// What is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wider {
    /// Files and folders to read.
    pub(crate) read: Vec<PathBuf>,
    /// Files and folders to read and write.
    pub(crate) write: Vec<PathBuf>,
    /// The machine's network.
    pub(crate) network: bool,
}

impl Wider {
    /// As it stands where a command has its seconds.
    pub(crate) fn to_arg(&self) -> String {
        serde_json::to_string(self).expect("paths that were read from a text are texts: held by ProgramSpec")
    }

    /// All paths, the shortest first: what lies in another is let in after it.
    pub(crate) fn paths(&self) -> Vec<(&Path, bool)> {
        let read = self.read.iter().map(|path| (path.as_path(), false));
        let write = self.write.iter().map(|path| (path.as_path(), true));
        let mut all: Vec<_> = read.chain(write).collect();
        all.sort_by_key(|(path, writes)| (path.components().count(), *writes));
        all
    }

    /// Where a program begins: the first folder that it may read, or write.
    pub(crate) fn begin(&self) -> &Path {
        self.read.iter().chain(&self.write).find(|path| path.is_dir()).map_or(Path::new("/tmp"), PathBuf::as_path)
    }
}
