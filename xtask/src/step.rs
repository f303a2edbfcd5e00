//! One command run as a step: announced, timed, and stopped at when it fails.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::report::{Failure, say};

/// The cargo that runs this chore.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Whether `program arguments…` runs and succeeds, silently.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    let quiet = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

/// Announces `name`, runs `command` with its output shown, and says how long it took.
pub(crate) fn run(name: &str, command: &mut Command, remedy: &str) -> Result<(), Failure> {
    say(&format!("==> {name}: {}", shown(command)));
    let begun = Instant::now();
    finish(name, command.stdin(Stdio::null()).status(), remedy)?;
    say(&format!(
        "    {name} ok in {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// As [`run`], for the last step: says nothing afterwards, so that the runner's own summary closes the output.
pub(crate) fn run_last(name: &str, command: &mut Command, remedy: &str) -> Result<(), Failure> {
    say(&format!("==> {name}: {}", shown(command)));
    finish(name, command.stdin(Stdio::null()).status(), remedy)
}

/// Runs libtest binaries, passing their output on, and closes with the sum of their summaries.
pub(crate) fn run_counting(name: &str, command: &mut Command, remedy: &str) -> Result<(), Failure> {
    say(&format!("==> {name}: {}", shown(command)));
    let launched = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = launched.map_err(|error| cannot_start(name, &error, remedy))?;
    let mut sum = Summary::default();
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
        .map_while(Result::ok)
    {
        sum.add(&line);
        say(&line);
    }
    let outcome = finish(name, child.wait(), remedy);
    say(&format!(
        "{} passed, {} failed, {} skipped",
        sum.passed, sum.failed, sum.skipped
    ));
    outcome
}

fn finish(name: &str, ended: std::io::Result<std::process::ExitStatus>, remedy: &str) -> Result<(), Failure> {
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("{name} ({status})"), remedy)),
        Err(error) => Err(cannot_start(name, &error, remedy)),
    }
}

fn cannot_start(name: &str, error: &std::io::Error, remedy: &str) -> Failure {
    Failure::new(format!("{name} cannot be started: {error}"), remedy)
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy());
    let short = words.map(|word| {
        if word.contains('\n') {
            "'…'".to_owned()
        } else {
            word.into_owned()
        }
    });
    short.collect::<Vec<_>>().join(" ")
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Summary {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`; other lines add nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else {
                continue;
            };
            let number: u64 = number.parse().unwrap_or_default();
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_several_binaries_are_added_up() {
        let mut sum = Summary::default();
        sum.add(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        );
        sum.add("running 4 tests");
        sum.add("test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.2s");
        assert_eq!(
            sum,
            Summary {
                passed: 5,
                failed: 5,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_failing_step_stops_with_its_remedy() {
        let failure = run("nothing", &mut cargo(&["no-such-command"]), "read the manual").unwrap_err();
        assert!(failure.what.starts_with("nothing ("), "{failure:?}");
        assert_eq!(failure.remedy, "read the manual");
        let failure = run("absent", &mut Command::new("no-such-program-here"), "install it").unwrap_err();
        assert!(
            failure.what.starts_with("absent cannot be started"),
            "{failure:?}"
        );
    }
}
