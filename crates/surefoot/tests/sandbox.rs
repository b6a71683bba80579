//! Commands in their sandbox: what they are given, and what they cannot do. The sandbox is the binary of this package.

#![cfg(target_os = "linux")]

mod common;

use std::{fs, net::TcpListener, path::Path, sync::Arc};

use kernel::{
    recovery::{Failure, FailureKind, Phase},
    values::Value,
};
use surefoot::Surefoot;

/// A project whose one tool runs `script` by `/bin/sh`, within `timeout`.
fn project(folder: &Path, script: &str, timeout: &str) {
    let script = serde_json::to_string(script).unwrap();
    let files = [
        ("surefoot.yaml", "project: sandbox\n".to_owned()),
        (
            "workflows/w.yaml",
            "workflow: w\nresult: { value: =a }\nstages:\n  - stage: s\n    steps:\n      - step: a\n        act: sh.go\n\
             \x20       with: { word: =input.word }\n        on_failure: { tool_error: [fail], tool_timeout: [fail] }\n"
                .to_owned(),
        ),
        (
            "tools/sh.yaml",
            format!(
                "tool: sh\ncommand: {{ program: /bin/sh, args: [-c, {script}, sh] }}\n\
                 operations: {{ go: {{ effect: read, timeout: {timeout}, args: [\"{{{{ with.word }}}}\"] }} }}\n"
            ),
        ),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn set_up(folder: &Path, allowed: bool) -> Result<Surefoot, String> {
    let environment =
        Arc::new(move |name: &str| (allowed && name == "SUREFOOT_ALLOW_COMMANDS").then(|| "1".to_owned()));
    let builder = Surefoot::builder().project(folder).environment(environment);
    let built = builder.sandbox(env!("CARGO_BIN_EXE_surefoot")).build();
    built.map_err(|error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    })
}

fn run(script: &str, timeout: &str, word: &str) -> Result<String, Failure> {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), script, timeout);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let surefoot = set_up(folder.path(), true).unwrap();
    let input = Value::map([("word", word.into())]);
    let ended = runtime.block_on(surefoot.run_to_end("w", input)).unwrap();
    match ended.failure {
        Some(failure) => Err(failure),
        None => Ok(ended.result.unwrap_or_default().to_json()),
    }
}

/// What a script prints, as a text.
fn says(script: &str) -> String {
    let script = format!("said=$( {{ {script}; }} 2>&1 | tr '\\n' ' ' ); printf '\"%s\"' \"$said\"");
    let said = run(&script, "20s", "w").unwrap_or_else(|failure| panic!("{script}: {failure:?}"));
    said.trim_matches('"').trim().to_owned()
}

#[test]
fn a_command_gets_its_arguments_its_input_and_nothing_else() {
    let script =
        r#"input=$(cat); printf '{"input":%s,"word":"%s","home":"%s","pwd":"%s"}' "$input" "$1" "$HOME" "$PWD""#;
    let word = "$(touch x); `id` | a";
    let said = run(script, "20s", word).unwrap();
    assert_eq!(said, format!(r#"{{"home":"","input":{{"word":"{word}"}},"pwd":"/tmp","word":"{word}"}}"#));
    assert_eq!(says("env | grep -cvE '^(PWD|OLDPWD|SHLVL|_)='"), "0", "a shell makes these itself");
    let failure = run("echo 1", "20s", "--help").unwrap_err();
    assert_eq!((failure.kind, failure.phase), (FailureKind::InvalidArguments, Phase::Inside));
}

#[test]
fn how_it_ended_is_said() {
    let how = |script| run(script, "20s", "w").map_err(|failure| (failure.kind, failure.phase));
    assert_eq!(how("exit 3"), Err((FailureKind::ToolRejected, Phase::Answered)));
    assert_eq!(how("echo no"), Err((FailureKind::ContractViolated, Phase::Answered)));
    assert_eq!(how("kill -9 $$"), Err((FailureKind::ToolError, Phase::Answered)));
    assert_eq!(how("cat /dev/zero"), Err((FailureKind::ContractViolated, Phase::Answered)));
}

#[test]
fn there_is_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(says("readlink /proc/self/ns/net"), ours.to_string_lossy(), "a network of its own");
    assert!(!says("cat /proc/net/route").contains("00000000"), "with no way out");
    let failure = run(&format!("exec /bin/bash -c ': < /dev/tcp/127.0.0.1/{port} && echo 1'"), "20s", "w").unwrap_err();
    assert_eq!(failure.kind, FailureKind::ToolRejected);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it reached this process");
}

#[test]
fn it_sees_no_files_but_those_that_programs_are_made_of() {
    let known = "/bin /dev /etc /lib /lib32 /lib64 /proc /program /sbin /tmp /usr";
    for entry in says("echo /*").split(' ') {
        assert!(known.split(' ').any(|one| one == entry), "{entry}");
    }
    assert_eq!(says("ls /tmp /program | wc -w"), "2", "two names of folders, both empty");
    for outside in ["/etc/passwd", "/home", "/root", "/var", "/run"] {
        assert!(says(&format!("cat {outside}")).contains("No such file"), "{outside}");
    }
    for place in ["/usr/x", "/bin/x", "/etc/x", "/x", "/dev/x", "/program/x"] {
        let said = says(&format!("echo x > {place}"));
        assert!(said.contains("ermission denied") || said.contains("ead-only"), "{place}: {said}");
    }
    assert_eq!(says("echo x > /tmp/x && cat /tmp/x && echo y > /dev/null"), "x");
}

#[test]
fn it_sees_and_reaches_no_other_process() {
    let said = says("echo /proc/[0-9]*");
    assert!(said.starts_with("/proc/1 /proc/2") && said.split(' ').count() < 6, "{said}");
    assert!(says(&format!("kill -9 {}", std::process::id())).contains("o such process"));
    assert_ne!(says("mount -t tmpfs x /tmp > /dev/null 2>&1; echo $?"), "0", "it has no rights over its mounts");
    assert_eq!(says("id -u"), "1000");
}

#[test]
fn what_is_too_much_ends() {
    let mark = says("i=0; while [ $i -lt 100 ]; do sleep 30 > /dev/null 2>&1 & i=$((i+1)); done");
    assert!(mark.to_lowercase().contains("fork"), "a hundred processes were too many: {mark}");
    assert!(says("head -c 70000000 /dev/zero > /tmp/big; stat -c %s /tmp/big").contains("67108864"), "64 MiB a file");
    let failure = run("exec 2>&1; while :; do :; done", "1s", "w").unwrap_err();
    assert!(matches!(failure.kind, FailureKind::ToolTimeout | FailureKind::ToolError), "{failure:?}");
}

#[test]
fn when_its_time_is_up_all_that_it_started_is_killed() {
    // A name that only these processes have: grandchildren in a session of their own, which hold no pipe of ours.
    let mark = format!("1{}.25", std::process::id());
    let script = format!("setsid sh -c 'sleep {mark} & sleep {mark}' > /dev/null 2>&1 < /dev/null & sleep {mark}");
    let failure = run(&script, "1s", "w").unwrap_err();
    assert_eq!((failure.kind, failure.phase), (FailureKind::ToolTimeout, Phase::Answered));
    let left = || {
        let alive =
            fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
        alive.filter(|line| String::from_utf8_lossy(line).contains(&mark)).count()
    };
    // The kernel takes a moment to end what it has condemned.
    let left = (0..2000).map(|_| left()).find(|left| *left == 0);
    assert_eq!(left, Some(0), "processes that outlived the command");
}

#[test]
fn it_is_off_unless_it_was_allowed() {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), "echo 1", "1s");
    let refused = set_up(folder.path(), false).map(|_| ()).unwrap_err();
    assert!(refused.contains("set SUREFOOT_ALLOW_COMMANDS=1"), "{refused}");
}

#[test]
fn a_program_of_the_project_runs_and_one_behind_a_link_does_not() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), "echo 1", "20s");
    fs::create_dir(folder.path().join("bin")).unwrap();
    let program = folder.path().join("bin/answer");
    fs::write(&program, "#!/bin/sh\necho 42\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // Who runs this as the superuser runs commands as nobody.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let tool = |program: &str| {
        let text = format!("tool: sh\ncommand: {{ program: {program} }}\noperations: {{ go: {{ effect: read }} }}\n");
        fs::write(folder.path().join("tools/sh.yaml"), text).unwrap();
    };
    tool("bin/answer");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let surefoot = set_up(folder.path(), true).unwrap();
    let ended = runtime.block_on(surefoot.run_to_end("w", Value::map([("word", "w".into())]))).unwrap();
    assert_eq!((ended.failure, ended.result), (None, Some(Value::Int(42))));
    symlink("/bin/cat", folder.path().join("bin/cat")).unwrap();
    tool("bin/cat");
    assert!(set_up(folder.path(), true).map(|_| ()).unwrap_err().contains("goes out of the project"));
    tool("bin/none");
    assert!(set_up(folder.path(), true).map(|_| ()).unwrap_err().contains("cannot be found"));
}
