//! `deploy/compose.yaml`, which no test can run without containers: that it is YAML, and that each command and each
//! variable in it is one that the binary knows.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::process::greenroom;
use crate::house::root;

/// The file, with its anchors and merges resolved, by the reader of PyYAML.
fn compose() -> Value {
    const READ: &str = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let parts: PathBuf = std::env::var_os("GREENROOM_TEST_PARTS")
        .expect("run by `cargo xtask test`")
        .into();
    let read = Command::new(parts.join("python/bin/python"))
        .args(["-c", READ])
        .arg(root().join("deploy/compose.yaml"))
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

fn words(list: &Value) -> Vec<String> {
    let words = list.as_array().into_iter().flatten();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The user that the image runs as: a number, which isn't root's.
fn user() -> u32 {
    let dockerfile = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let mut users = dockerfile.lines().filter_map(|line| line.strip_prefix("USER "));
    let user = users.next_back().expect("the image runs as somebody");
    let (user, group) = user.split_once(':').unwrap();
    assert_eq!(user, group);
    let home = format!("--owner={user} --group={group} --mode=0700 /var/lib/greenroom");
    assert!(
        dockerfile.contains(&home) && dockerfile.contains("ENV HOME=/var/lib/greenroom"),
        "its home is its own: {dockerfile}"
    );
    user.parse().unwrap()
}

#[test]
fn the_image_does_not_run_as_root() {
    assert_ne!(user(), 0);
}

#[test]
#[ignore = "needs Python packages: run by `cargo xtask test`"]
fn the_compose_file_says_nothing_that_the_binary_does_not_know() {
    let (file, home) = (compose(), tempfile::tempdir().unwrap());
    let services = file["services"].as_object().unwrap();
    let ours = services
        .iter()
        .filter(|(_, service)| service["image"] == "greenroom");
    let mut roles = Vec::new();
    for (name, service) in ours {
        let command = words(&service["command"]);
        let known = greenroom(home.path())
            .args(&command)
            .arg("--help")
            .output()
            .unwrap();
        assert!(known.status.success(), "{name}: {command:?}");
        if let [_, _, health @ ..] = &words(&service["healthcheck"]["test"])[..] {
            let known = greenroom(home.path())
                .args(health)
                .arg("--help")
                .output()
                .unwrap();
            assert!(known.status.success(), "{name}: {health:?}");
        }
        let mut check = greenroom(home.path());
        check.args(["config", "check"]);
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap();
            if !value.starts_with("${") {
                check.env(variable, value);
            }
        }
        let checked = check.output().unwrap();
        assert!(
            checked.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&checked.stderr)
        );
        // Who makes certificates for the others is root, and gives them away.
        let given = format!("install --owner={0} --group={0} --mode=0400", user());
        match service["user"].as_str() {
            None => assert_ne!(name, "certs"),
            Some(root) => assert_eq!((root, name.as_str()), ("0:0", "certs")),
        }
        let entry = words(&service["entrypoint"]).join(" ");
        assert_eq!(entry.contains(&given), name == "certs", "{name}: {entry}");
        roles.push(command[0].clone());
        // Longer than a process takes to leave.
        assert_eq!(service["stop_grace_period"], "30s", "{name}");
    }
    for role in ["gateway", "supervisor", "agent", "migrate", "certs"] {
        assert!(roles.iter().any(|known| known == role), "{roles:?}");
    }
}
