//! The binary `surefoot`.

use std::{process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = Arc::new(|name: &str| std::env::var(name).ok());
    let code = surefoot::cli::main(std::env::args_os(), environment);
    ExitCode::from(u8::try_from(code).unwrap_or(70))
}
