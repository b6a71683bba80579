//! The sandbox of a command: this program, started again, confines itself and then starts the command.
//!
//! The outer process makes namespaces of its own (users, mounts, processes, network, IPC, names) and starts the inner one, which is
//! process 1 there: when it ends, however it ends, the kernel ends everything in it. The inner one makes a new root in memory that holds
//! what programs are made of (`/usr`, `/bin`, `/lib` and their like), four devices, a `/proc` of its own processes, a `/tmp` of its own
//! and the command itself; it gives up its rights, sets limits, lets Landlock forbid every write outside `/tmp`, and starts the command.
//!
//! A server ([`Wider`]) has besides what its tool file declares: files and folders at their places, those to read mounted read-only, the
//! machine's network and what names are found with, its environment. It has no limit on the time of its processor nor on addresses, for
//! it lives long and its interpreter maps more than it uses.
//!
//! What it does not hold: there is no filter of system calls, so a fault of the kernel may be reached; the machine's clock, kernel version
//! and load can be read; memory is limited for each process, not for all of them, and for a server not at all; what stands in `/usr` can be
//! read; a server with the network reaches whatever this machine reaches, loopback and abstract sockets included.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, symlink},
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError,
};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::statvfs::{FsFlags, statvfs},
    sys::{
        prctl::set_pdeathsig,
        resource::{Resource, setrlimit},
        signal::{Signal, killpg},
    },
    unistd::{Pid, chdir, getegid, geteuid, pivot_root},
};

use super::wider::{ENV, Wider};

/// The first argument of the process that makes namespaces.
pub const OUTER: &str = "__sandbox";
/// The first argument of the process that is the first in them.
const INNER: &str = "__sandbox-inner";
/// The exit code that means: the sandbox could not be made, nothing was started.
pub(super) const CANNOT: i32 = 125;
/// What standard error begins with then.
pub(crate) const SAYS: &str = "surefoot sandbox: ";

/// What a machine's superuser becomes: the sandbox never runs with its rights.
const NOBODY: u32 = 65_534;
/// Of each process, in bytes.
const MEMORY: u64 = 1 << 30;
/// Of each file, and of `/tmp` in all.
const FILES: u64 = 64 << 20;
/// Of the command and all that it starts.
const PROCESSES: u64 = 32;
/// Open files of each process.
const OPEN: u64 = 64;

/// What programs are made of.
const SYSTEM: [&str; 6] = ["usr", "bin", "sbin", "lib", "lib32", "lib64"];
const DEVICES: [&str; 4] = ["null", "zero", "random", "urandom"];
/// Where the new root is put together; seen by nobody but us.
const ROOT: &str = "/tmp";

/// A server and all that it starts.
const SERVER_PROCESSES: u64 = 256;
/// Open files of each process of a server.
const SERVER_OPEN: u64 = 1024;
/// Each file of a server, in bytes.
const SERVER_FILES: u64 = 1 << 30;

/// How names are found, and whom to believe: files and folders of a machine that has a network.
const NETWORK: [&str; 6] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki", "/etc/ca-certificates"];

/// What a sandbox is for.
enum Purpose {
    /// A command, for so many seconds.
    Command(u64),
    /// A server.
    Server(Wider),
}

impl Purpose {
    fn read(arg: &OsStr) -> Result<Purpose, String> {
        let text = arg.to_str().ok_or("what it is for is no text")?;
        if let Ok(seconds) = text.parse() {
            return Ok(Purpose::Command(seconds));
        }
        let wider = serde_json::from_str(text).map_err(|_| "its seconds are no number")?;
        Ok(Purpose::Server(wider))
    }
}

/// Whether this process was started as a sandbox, and if so how it ended. A `main` asks before it does anything else: making
/// namespaces needs a process of one thread.
pub fn main(args: &[OsString]) -> Option<i32> {
    let step = args.get(1).and_then(|step| step.to_str()).filter(|step| [OUTER, INNER].contains(step))?;
    let done = match args.get(2..) {
        Some([purpose, program, args @ ..]) if step == OUTER => outer(purpose, program, args),
        Some([purpose, program, args @ ..]) => inner(purpose, program, args),
        _ => Err("it wants seconds, a program and its arguments".to_owned()),
    };
    Some(match done {
        Ok(status) => code(status),
        Err(why) => {
            #[expect(
                clippy::print_stderr,
                reason = "the one thing that this process says, to the process that started it"
            )]
            {
                eprint!("{SAYS}{why}");
            }
            CANNOT
        }
    })
}

/// The user to start a sandbox as, if this process is the superuser.
pub(crate) fn nobody() -> Option<u32> {
    geteuid().is_root().then_some(NOBODY)
}

/// Ends all processes of a sandbox.
pub(crate) fn kill(group: u32) {
    if let Ok(group) = i32::try_from(group) {
        // One that has ended is not there.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn outer(arg: &OsStr, program: &OsStr, args: &[OsString]) -> Result<ExitStatus, String> {
    die_with_parent()?;
    let purpose = Purpose::read(arg)?;
    let (user, group) = (geteuid(), getegid());
    let mut all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if matches!(&purpose, Purpose::Server(wider) if wider.network) {
        all.remove(CloneFlags::CLONE_NEWNET);
    }
    unshare(all).map_err(|error| format!("this machine does not let us make namespaces: {error}"))?;
    be(0, user.as_raw(), group.as_raw())?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(INNER).arg(arg).arg(program).args(args).env_clear();
    if let Purpose::Server(_) = purpose {
        command.envs(declared(|name| name.to_owned()));
    }
    command.status().map_err(|error| format!("it cannot start itself: {error}"))
}

fn inner(arg: &OsStr, program: &OsStr, args: &[OsString]) -> Result<ExitStatus, String> {
    die_with_parent()?;
    let purpose = Purpose::read(arg)?;
    let wider = match &purpose {
        Purpose::Command(_) => Wider::default(),
        Purpose::Server(wider) => wider.clone(),
    };
    let program = root(Path::new(program), &wider).map_err(|(what, error)| format!("{what}: {error}"))?;
    limits(&purpose)?;
    // A user namespace within the first: the command is nobody in particular there, and has no rights over the outer one.
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| format!("its rights cannot be given up: {error}"))?;
    be(1000, 0, 0)?;
    landlock(&wider).map_err(|error| format!("Landlock does not hold: {error}"))?;
    let mut command = Command::new(&program);
    command.args(args).env_clear().current_dir(wider.begin());
    if let Purpose::Server(_) = purpose {
        command.envs(declared(|name| name.trim_start_matches(ENV).to_owned()));
    }
    command.status().map_err(|error| format!("{} cannot be started: {error}", program.display()))
}

/// What is meant for the program, each under the name that `named` makes of it.
fn declared(named: impl Fn(&str) -> String) -> Vec<(String, OsString)> {
    let all = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    all.filter(|(name, _)| name.starts_with(ENV)).map(|(name, value)| (named(&name), value)).collect()
}

/// Whoever started us is gone: so are we.
fn die_with_parent() -> Result<(), String> {
    set_pdeathsig(Signal::SIGKILL).map_err(|error| format!("it cannot be bound to its parent: {error}"))
}

/// In the namespace that was made just now, the user and the group outside are `inside`.
fn be(inside: u32, user: u32, group: u32) -> Result<(), String> {
    let files = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{inside} {user} 1")),
        ("gid_map", format!("{inside} {group} 1")),
    ];
    for (file, text) in files {
        let written = fs::write(format!("/proc/self/{file}"), text);
        written.map_err(|error| format!("this machine does not let us map users ({file}): {error}"))?;
    }
    Ok(())
}

/// Makes the new root and goes there; gives the path of the program in it.
fn root(program: &Path, wider: &Wider) -> Result<PathBuf, (String, io::Error)> {
    let at = |what: String| move |error: io::Error| (what, error);
    let os = |what: &str| {
        let what = what.to_owned();
        move |error: nix::Error| (what, io::Error::from(error))
    };
    let none = None::<&str>;
    // The program may stand where the new root will be.
    let opened = File::open(program).map_err(at(format!("the program {} cannot be read", program.display())))?;
    let let_in = let_in(wider)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(os("mounts cannot be kept apart"))?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), ROOT, Some("tmpfs"), plain, Some("size=1m,mode=755")).map_err(os("no root can be made"))?;
    let new = Path::new(ROOT);
    let folder = |path: &Path| DirBuilder::new().mode(0o755).create(path).map_err(at(path.display().to_string()));
    let bind = |from: &Path, to: &Path| {
        mount(Some(from), to, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).map_err(os(&from.display().to_string()))
    };
    for name in SYSTEM {
        let (from, to) = (Path::new("/").join(name), new.join(name));
        match fs::symlink_metadata(&from) {
            Ok(about) if about.is_symlink() => {
                let target = fs::read_link(&from).map_err(at(from.display().to_string()))?;
                symlink(target, &to).map_err(at(from.display().to_string()))?;
            }
            Ok(about) if about.is_dir() => {
                folder(&to)?;
                bind(&from, &to)?;
            }
            _ => {}
        }
    }
    let file = |from: &Path, to: &Path| {
        File::create(to).map_err(at(to.display().to_string()))?;
        bind(from, to)
    };
    for path in ["etc", "dev", "proc", "tmp", "program"] {
        folder(&new.join(path))?;
    }
    let size = format!("size={FILES},mode=1777");
    mount(Some("tmpfs"), &new.join("tmp"), Some("tmpfs"), plain, Some(size.as_str()))
        .map_err(os("no /tmp of its own"))?;
    for name in DEVICES {
        file(&Path::new("/dev").join(name), &new.join("dev").join(name))?;
    }
    if Path::new("/etc/ld.so.cache").exists() {
        file(Path::new("/etc/ld.so.cache"), &new.join("etc/ld.so.cache"))?;
    }
    for one in &let_in {
        one.mount(new)?;
    }
    let in_place = |path: &Path| program.starts_with(path);
    let here = if SYSTEM.iter().any(|name| in_place(&Path::new("/").join(name)))
        || let_in.iter().any(|one| in_place(&one.path))
    {
        program.to_owned()
    } else {
        let here = Path::new("program").join(program.file_name().unwrap_or(OsStr::new("program")));
        file(Path::new(&format!("/proc/self/fd/{}", opened.as_raw_fd())), &new.join(&here))?;
        Path::new("/").join(here)
    };
    let proc_flags = plain | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &new.join("proc"), Some("proc"), proc_flags, none).map_err(os("no /proc of its own"))?;
    chdir(new).map_err(os("the new root cannot be entered"))?;
    // The old root lands on the new one, and goes.
    pivot_root(".", ".").map_err(os("the root cannot be changed"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(os("the old root does not go"))?;
    chdir("/").map_err(os("the new root cannot be entered"))?;
    Ok(here)
}

/// Something of the machine that is let in.
struct LetIn {
    path: PathBuf,
    writes: bool,
    folder: bool,
    /// It may stand where the new root will be.
    opened: File,
}

/// Opens what a server is let in, before the root changes.
fn let_in(wider: &Wider) -> Result<Vec<LetIn>, (String, io::Error)> {
    let open = |path: &Path, writes| {
        let what = format!("{} cannot be let in", path.display());
        let opened = File::open(path).map_err(|error| (what.clone(), error))?;
        let folder = opened.metadata().map_err(|error| (what, error))?.is_dir();
        Ok(LetIn { path: path.to_owned(), writes, folder, opened })
    };
    let system = |path: &Path| SYSTEM.iter().any(|name| path.starts_with(Path::new("/").join(name)));
    let declared = wider.paths().into_iter().filter(|(path, writes)| *writes || !system(path));
    let mut all = declared.map(|(path, writes)| open(path, writes)).collect::<Result<Vec<_>, _>>()?;
    if wider.network {
        let there = NETWORK.iter().map(Path::new).filter(|path| path.exists());
        all.extend(there.map(|path| open(path, false)).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}

impl LetIn {
    /// Lets it in at its own place.
    fn mount(&self, new: &Path) -> Result<(), (String, io::Error)> {
        let at = |error: io::Error| (format!("{} cannot be let in", self.path.display()), error);
        let os = |error: nix::Error| at(error.into());
        let to = new.join(self.path.strip_prefix("/").unwrap_or(&self.path));
        if self.folder {
            DirBuilder::new().recursive(true).mode(0o755).create(&to).map_err(at)?;
        } else if !to.exists() {
            let above = to.parent().unwrap_or(new);
            DirBuilder::new().recursive(true).mode(0o755).create(above).map_err(at)?;
            File::create(&to).map_err(at)?;
        }
        let from = format!("/proc/self/fd/{}", self.opened.as_raw_fd());
        let none = None::<&str>;
        mount(Some(from.as_str()), &to, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).map_err(os)?;
        if self.writes {
            return Ok(());
        }
        // What the mount underneath forbids stays forbidden: the system refuses to lift it.
        let flags = statvfs(&to).map_err(os)?.flags();
        let kept = [
            (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
            (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
            (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
            (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
            (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
            (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
        ];
        let kept = kept.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, flag)| flag);
        let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, &to, none, kept.fold(again, |all, flag| all | flag), none).map_err(os)
    }
}

fn limits(purpose: &Purpose) -> Result<(), String> {
    let limits: &[(Resource, u64)] = match purpose {
        Purpose::Command(seconds) => &[
            (Resource::RLIMIT_CPU, *seconds),
            (Resource::RLIMIT_AS, MEMORY),
            (Resource::RLIMIT_FSIZE, FILES),
            (Resource::RLIMIT_NPROC, PROCESSES),
            (Resource::RLIMIT_NOFILE, OPEN),
            (Resource::RLIMIT_CORE, 0),
        ],
        Purpose::Server(_) => &[
            (Resource::RLIMIT_FSIZE, SERVER_FILES),
            (Resource::RLIMIT_NPROC, SERVER_PROCESSES),
            (Resource::RLIMIT_NOFILE, SERVER_OPEN),
            (Resource::RLIMIT_CORE, 0),
        ],
    };
    for &(what, most) in limits {
        setrlimit(what, most, most).map_err(|error| format!("{what:?} cannot be limited: {error}"))?;
    }
    Ok(())
}

/// Lets nothing be written but `/tmp`, and what a server may write: what every Landlock can forbid must hold, what younger ones can forbid is forbidden by them.
fn landlock(wider: &Wider) -> Result<(), String> {
    let told = |error: RulesetError| error.to_string();
    let open = |path: &str| PathFd::new(path).map_err(|error| error.to_string());
    let (all, read) = (AccessFs::from_all(ABI::V5), AccessFs::from_read(ABI::V5));
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(told)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(Ruleset::create)
        .map_err(told)?;
    for (path, access) in [("/", read), ("/tmp", all)] {
        rules = rules.add_rule(PathBeneath::new(open(path)?, access)).map_err(told)?;
    }
    for path in &wider.write {
        let access = if path.is_dir() { all } else { all & AccessFs::from_file(ABI::V5) };
        let opened = PathFd::new(path).map_err(|error| error.to_string())?;
        rules = rules.add_rule(PathBeneath::new(opened, access)).map_err(told)?;
    }
    for device in DEVICES {
        let access = AccessFs::ReadFile | AccessFs::WriteFile;
        rules = rules.add_rule(PathBeneath::new(open(&format!("/dev/{device}"))?, access)).map_err(told)?;
    }
    rules.restrict_self().map(|_| ()).map_err(told)
}
