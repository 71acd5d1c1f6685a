//! How long a program waits for its variables.

use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::Result;
use crate::report::Report;
use crate::rounds::median;
use crate::server::{Store, binary};

const RUNS: usize = 101;
const VARIABLES: usize = 50;

/// `coffer run` of `true` against `true` alone.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    let server = Store::new()?.serve()?;
    let state = tempfile::tempdir()?;
    let client = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).env("COFFER_URL", format!("http://{}", server.address));
        command.env("COFFER_API_KEY", server.key()).env("XDG_STATE_HOME", state.path());
        command
    };
    let variables: serde_json::Map<_, _> = (0..VARIABLES)
        .map(|index| (format!("VARIABLE_{index}"), json!("a value of forty bytes, as many are......")))
        .collect();
    let file = state.path().join("variables.json");
    std::fs::write(&file, serde_json::Value::from(variables).to_string())?;
    let file = file.to_str().ok_or("a path that is text")?;
    succeed(
        client(&["import", file, "--scope", "org", "--create", "--encrypted"])
            .stdout(std::process::Stdio::null()),
    )?;
    let (mut bare, mut with) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bare.push(succeed(&mut Command::new("true"))?);
        with.push(succeed(&mut client(&["run", "--", "true"]))?);
    }
    let (bare, with) = (median(bare), median(with));
    let detail = format!("{with:.1} ms, {bare:.1} ms; {VARIABLES} encrypted variables, medians of {RUNS}");
    report.at_most("coffer run -- true, beyond true", with - bare, 30.0, " ms", &detail);
    Ok(())
}

/// Runs a command to its end; the time it took, in milliseconds.
fn succeed(command: &mut Command) -> Result<f64> {
    let begun = Instant::now();
    let status = command.status()?;
    let took = begun.elapsed();
    if status.success() {
        Ok(took.as_secs_f64() * 1e3)
    } else {
        Err(format!("{}: {status}", command.get_program().display()).into())
    }
}
