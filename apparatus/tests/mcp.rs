//! Real MCP servers, where they are installed.

use std::process::Command;

#[test]
fn real_servers_are_accepted_called_and_stopped() {
    let Some(folder) = std::env::var_os("SUREFOOT_TEST_MCP") else {
        #[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
        {
            eprintln!("skipped: SUREFOOT_TEST_MCP names no folder of servers (apparatus/mcp/install.sh fills one)");
        }
        return;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_apparatus")).args(["mcp", "--servers"]).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().count(), 13, "{said}");
}
