//! Clients and an audit that others wrote.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use crate::client::start;

/// The npm packages live in the target folder; whoever runs all tests installs them.
fn packages() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")));
    target.join("npm")
}

#[tokio::test]
async fn the_audit_and_the_clients_that_others_wrote_are_content() {
    let packages = packages();
    if !packages.join("node_modules/graphql-http").is_dir() {
        // Past the test harness, which keeps to itself what a passing test prints.
        let say = writeln!(
            std::io::stderr(),
            "SKIPPED the audit and clients of others: needs `npm install --prefix {} graphql graphql-http graphql-ws graphql-sse ws`",
            packages.display()
        );
        say.unwrap();
        return;
    }
    let gateway = start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients.mjs");
    let run = tokio::process::Command::new("node")
        .arg(script)
        .arg(gateway.url("/graphql"))
        .arg(packages.canonicalize().unwrap())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), run)
        .await
        .unwrap()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        said(&output.stdout),
        said(&output.stderr)
    );
}
