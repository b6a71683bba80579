//! The program.
use std::{path::PathBuf, process::ExitCode};
use support_desk::{fit, measure};
fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let p = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if args[1] == "fit" {
        let f = fit::fit(&p).unwrap();
        println!("{}", f.says);
        fit::write(&p, &f).unwrap();
        return ExitCode::SUCCESS;
    }
    ExitCode::from(measure::main(&args[2..], &p) as u8)
}
