//! The sandbox of a command: this program, started again, confines itself and then starts the command.
//!
//! The outer process makes namespaces of its own (users, mounts, processes, network, IPC, names) and starts the inner one, which is
//! process 1 there: when it ends, however it ends, the kernel ends everything in it. The inner one makes a new root in memory that holds
//! what programs are made of (`/usr`, `/bin`, `/lib` and their like), four devices, a `/proc` of its own processes, a `/tmp` of its own
//! and the command itself; it gives up its rights, sets limits, lets Landlock forbid every write outside `/tmp`, and starts the command.
//!
//! What it does not hold: there is no filter of system calls, so a fault of the kernel may be reached; the machine's clock, kernel version
//! and load can be read; memory is limited for each process, not for all of them; what stands in `/usr` can be read.

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
    sys::{
        prctl::set_pdeathsig,
        resource::{Resource, setrlimit},
        signal::{Signal, killpg},
    },
    unistd::{Pid, chdir, getegid, geteuid, pivot_root},
};

/// The first argument of the process that makes namespaces.
pub const OUTER: &str = "__sandbox";
/// The first argument of the process that is the first in them.
const INNER: &str = "__sandbox-inner";
/// The exit code that means: the sandbox could not be made, nothing was started.
pub(super) const CANNOT: i32 = 125;
/// What standard error begins with then.
pub(super) const SAYS: &str = "surefoot sandbox: ";

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

/// Whether this process was started as a sandbox, and if so how it ended. A `main` asks before it does anything else: making
/// namespaces needs a process of one thread.
pub fn main(args: &[OsString]) -> Option<i32> {
    let step = args.get(1).and_then(|step| step.to_str()).filter(|step| [OUTER, INNER].contains(step))?;
    let done = match args.get(2..) {
        Some([seconds, program, args @ ..]) if step == OUTER => outer(seconds, program, args),
        Some([seconds, program, args @ ..]) => inner(seconds, program, args),
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
pub(super) fn nobody() -> Option<u32> {
    geteuid().is_root().then_some(NOBODY)
}

/// Ends all processes of a sandbox.
pub(super) fn kill(group: u32) {
    if let Ok(group) = i32::try_from(group) {
        // One that has ended is not there.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn outer(seconds: &OsStr, program: &OsStr, args: &[OsString]) -> Result<ExitStatus, String> {
    die_with_parent()?;
    let (user, group) = (geteuid(), getegid());
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(all).map_err(|error| format!("this machine does not let us make namespaces: {error}"))?;
    be(0, user.as_raw(), group.as_raw())?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(INNER).arg(seconds).arg(program).args(args).env_clear();
    command.status().map_err(|error| format!("it cannot start itself: {error}"))
}

fn inner(seconds: &OsStr, program: &OsStr, args: &[OsString]) -> Result<ExitStatus, String> {
    die_with_parent()?;
    let seconds = seconds.to_str().and_then(|text| text.parse().ok()).ok_or("its seconds are no number")?;
    let program = root(Path::new(program)).map_err(|(what, error)| format!("{what}: {error}"))?;
    limits(seconds)?;
    // A user namespace within the first: the command is nobody in particular there, and has no rights over the outer one.
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| format!("its rights cannot be given up: {error}"))?;
    be(1000, 0, 0)?;
    landlock().map_err(|error| format!("Landlock does not hold: {error}"))?;
    let mut command = Command::new(&program);
    command.args(args).env_clear().current_dir("/tmp");
    command.status().map_err(|error| format!("{} cannot be started: {error}", program.display()))
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
fn root(program: &Path) -> Result<PathBuf, (String, io::Error)> {
    let at = |what: String| move |error: io::Error| (what, error);
    let os = |what: &str| {
        let what = what.to_owned();
        move |error: nix::Error| (what, io::Error::from(error))
    };
    let none = None::<&str>;
    // The program may stand where the new root will be.
    let opened = File::open(program).map_err(at(format!("the program {} cannot be read", program.display())))?;
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
    for name in DEVICES {
        file(&Path::new("/dev").join(name), &new.join("dev").join(name))?;
    }
    if Path::new("/etc/ld.so.cache").exists() {
        file(Path::new("/etc/ld.so.cache"), &new.join("etc/ld.so.cache"))?;
    }
    let here = if SYSTEM.iter().any(|name| program.starts_with(Path::new("/").join(name))) {
        program.to_owned()
    } else {
        let here = Path::new("program").join(program.file_name().unwrap_or(OsStr::new("program")));
        file(Path::new(&format!("/proc/self/fd/{}", opened.as_raw_fd())), &new.join(&here))?;
        Path::new("/").join(here)
    };
    let proc_flags = plain | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &new.join("proc"), Some("proc"), proc_flags, none).map_err(os("no /proc of its own"))?;
    let size = format!("size={FILES},mode=1777");
    mount(Some("tmpfs"), &new.join("tmp"), Some("tmpfs"), plain, Some(size.as_str()))
        .map_err(os("no /tmp of its own"))?;
    chdir(new).map_err(os("the new root cannot be entered"))?;
    // The old root lands on the new one, and goes.
    pivot_root(".", ".").map_err(os("the root cannot be changed"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(os("the old root does not go"))?;
    chdir("/").map_err(os("the new root cannot be entered"))?;
    Ok(here)
}

fn limits(seconds: u64) -> Result<(), String> {
    let limits = [
        (Resource::RLIMIT_CPU, seconds),
        (Resource::RLIMIT_AS, MEMORY),
        (Resource::RLIMIT_FSIZE, FILES),
        (Resource::RLIMIT_NPROC, PROCESSES),
        (Resource::RLIMIT_NOFILE, OPEN),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (what, most) in limits {
        setrlimit(what, most, most).map_err(|error| format!("{what:?} cannot be limited: {error}"))?;
    }
    Ok(())
}

/// Lets nothing be written but `/tmp`: what every Landlock can forbid must hold, what younger ones can forbid is forbidden by them.
fn landlock() -> Result<(), String> {
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
    for device in DEVICES {
        let access = AccessFs::ReadFile | AccessFs::WriteFile;
        rules = rules.add_rule(PathBeneath::new(open(&format!("/dev/{device}"))?, access)).map_err(told)?;
    }
    rules.restrict_self().map(|_| ()).map_err(told)
}
