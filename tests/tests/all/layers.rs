//! The layer table of ARCHITECTURE.md, enforced over `cargo metadata`.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Layer(u8),
    /// `xtask/` and `examples/`: free to import, imported by nobody.
    Outside,
}

/// The table: a folder, exactly or (ending in `/*`) each folder in it, the first match counting.
const TABLE: [(&str, Place); 21] = [
    ("proto", Place::Layer(0)),
    ("runtime/kernel", Place::Layer(0)),
    ("runtime/aws", Place::Layer(0)),
    ("runtime/schema", Place::Layer(1)),
    ("runtime/store", Place::Layer(1)),
    ("runtime/discovery", Place::Layer(1)),
    ("runtime/wire", Place::Layer(1)),
    ("runtime/supervision", Place::Layer(1)),
    ("runtime/telemetry", Place::Layer(1)),
    ("runtime/shared", Place::Layer(1)),
    ("runtime/secrets", Place::Layer(1)),
    ("agents/providers/*", Place::Layer(1)),
    ("agents/sdk", Place::Layer(2)),
    ("runtime/models", Place::Layer(2)),
    ("agents/*", Place::Layer(3)),
    ("runtime/orchestrator", Place::Layer(3)),
    ("gateway", Place::Layer(3)),
    ("gateway/*", Place::Layer(3)),
    ("runtime/node", Place::Layer(4)),
    ("tests", Place::Layer(5)),
    ("xtask", Place::Outside),
];

/// Folders whose crates may share a lower crate of the same folder and layer.
const SHARING: [&str; 2] = ["agents/providers", "gateway"];

/// Foreign crates by the start of their name, and the folders that may name them. `tests` measures against bare
/// ones and may name all.
const CONFINED: [(&str, &[&str]); 4] = [
    (
        "ractor",
        &["runtime/supervision", "runtime/models", "runtime/orchestrator"],
    ),
    ("tonic", &["runtime/wire", "agents/sdk", "proto"]),
    ("async-graphql", &["gateway"]),
    (
        "aws-",
        &[
            "runtime/aws",
            "runtime/store",
            "runtime/discovery",
            "runtime/secrets",
            "agents/providers/bedrock",
        ],
    ),
];

fn place(folder: &str) -> Option<Place> {
    if folder.starts_with("examples/") {
        return Some(Place::Outside);
    }
    let holds = |pattern: &str| match pattern.strip_suffix("/*") {
        Some(parent) => folder.rsplit_once('/').is_some_and(|(found, _)| found == parent),
        None => folder == pattern,
    };
    TABLE
        .iter()
        .find(|(pattern, _)| holds(pattern))
        .map(|(_, place)| *place)
}

/// The folder of [`SHARING`] that `folder` is in or is.
fn sharing(folder: &str) -> Option<&'static str> {
    SHARING.into_iter().find(|shared| {
        folder
            .strip_prefix(shared)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Every breach of the table in the output of `cargo metadata --no-deps`, as sentences.
fn breaches(metadata: &Value) -> Vec<String> {
    let root = text(metadata, "workspace_root").to_owned();
    let inside = |path: &str| Some(path.strip_prefix(&root)?.trim_start_matches('/').to_owned());
    let mut found = Vec::new();
    let mut siblings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let manifest = inside(text(package, "manifest_path")).unwrap_or_default();
        let from = manifest.trim_end_matches("/Cargo.toml").to_owned();
        let Some(own) = place(&from) else {
            found.push(format!("{from} is in no layer of the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            match dependency["path"].as_str().map(inside) {
                None => found.extend(foreign(&from, text(dependency, "name"))),
                Some(None) => found.push(format!(
                    "{from} imports {} from elsewhere",
                    text(dependency, "path")
                )),
                Some(Some(to)) => {
                    found.extend(edge(&from, own, &to, dependency));
                    if sharing(&from).is_some() && sharing(&from) == sharing(&to) {
                        siblings.entry(from.clone()).or_default().push(to);
                    }
                }
            }
        }
    }
    found.extend(cycle(&siblings));
    found
}

fn foreign(from: &str, name: &str) -> Option<String> {
    let (start, allowed) = CONFINED.into_iter().find(|(start, _)| name.starts_with(start))?;
    let free = from == "tests"
        || allowed
            .iter()
            .any(|folder| from == *folder || from.starts_with(&format!("{folder}/")));
    (!free).then(|| {
        format!(
            "{from} names {name}: only {} may name {start}…",
            allowed.join(", ")
        )
    })
}

fn edge(from: &str, own: Place, to: &str, dependency: &Value) -> Option<String> {
    let testkit = text(dependency, "kind") == "dev"
        && dependency["features"]
            .as_array()
            .is_some_and(|features| features.contains(&json!("testkit")));
    let allowed = match (own, place(to)) {
        (_, Some(Place::Layer(5) | Place::Outside) | None) => false,
        (Place::Outside, Some(Place::Layer(_))) => true,
        (Place::Layer(mine), Some(Place::Layer(theirs))) => {
            theirs < mine
                || testkit
                || theirs == mine && sharing(from).is_some_and(|folder| sharing(to) == Some(folder))
        }
    };
    (!allowed).then(|| format!("{from} imports {to}, which is not in a lower layer"))
}

/// A crate of a sharing folder that reaches itself.
fn cycle(siblings: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let mut reached: Vec<(&String, &String)> = siblings
        .iter()
        .flat_map(|(from, all)| all.iter().map(move |to| (from, to)))
        .collect();
    let mut next = 0;
    while let Some(&(start, end)) = reached.get(next) {
        if start == end {
            return Some(format!("{start} imports itself through its siblings"));
        }
        for further in siblings.get(end).into_iter().flatten() {
            if !reached.contains(&(start, further)) {
                reached.push((start, further));
            }
        }
        next += 1;
    }
    None
}

#[test]
fn every_import_in_the_workspace_goes_to_a_lower_layer() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(crate::house::root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = metadata["packages"].as_array().unwrap().len();
    assert!(count >= 10, "only {count} packages");
    let breaches = breaches(&metadata);
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Metadata of packages given as folder and dependencies; a dependency with a slash or a known folder's name is ours.
fn metadata(packages: &[(&str, &[Value])]) -> Value {
    let packages: Vec<_> = packages
        .iter()
        .map(|(folder, dependencies)| {
            json!({"manifest_path": format!("/src/{folder}/Cargo.toml"), "dependencies": dependencies})
        })
        .collect();
    json!({"workspace_root": "/src", "packages": packages})
}

fn ours(folder: &str) -> Value {
    json!({"name": folder, "kind": null, "path": format!("/src/{folder}"), "features": []})
}

fn theirs(name: &str) -> Value {
    json!({"name": name, "kind": null, "features": []})
}

#[track_caller]
fn refused(folder: &str, dependency: Value) {
    let found = breaches(&metadata(&[(folder, std::slice::from_ref(&dependency))]));
    assert_eq!(found.len(), 1, "{folder} with {dependency}: {found:?}");
}

#[track_caller]
fn admitted(folder: &str, dependency: Value) {
    let found = breaches(&metadata(&[(folder, &[dependency])]));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn an_import_upwards_or_sideways_is_refused() {
    refused("runtime/kernel", ours("runtime/store"));
    refused("runtime/kernel", ours("proto"));
    refused("runtime/store", ours("runtime/telemetry"));
    refused("agents/assistant", ours("agents/echo"));
    refused("gateway", ours("runtime/orchestrator"));
    refused("runtime/orchestrator", ours("runtime/node"));
    admitted("gateway", ours("runtime/models"));
    admitted("runtime/node", ours("gateway"));
    admitted("tests", ours("runtime/node"));
}

#[test]
fn nobody_imports_the_tests_or_what_stands_outside() {
    refused("runtime/node", ours("tests"));
    refused("xtask", ours("tests"));
    refused("runtime/node", ours("xtask"));
    refused("tests", ours("examples/shop"));
    admitted("examples/shop", ours("agents/sdk"));
}

#[test]
fn a_crate_outside_the_table_or_the_workspace_is_refused() {
    refused(
        "runtime/store",
        json!({"name": "x", "kind": null, "path": "/elsewhere/x"}),
    );
    let found = breaches(&metadata(&[("runtime/utils", &[])]));
    assert_eq!(found, ["runtime/utils is in no layer of the table"]);
}

#[test]
fn a_test_may_import_a_testkit_from_anywhere_but_nothing_else() {
    let mut dependency = ours("runtime/models");
    dependency["kind"] = json!("dev");
    refused("agents/sdk", dependency.clone());
    dependency["features"] = json!(["testkit"]);
    admitted("agents/sdk", dependency.clone());
    dependency["kind"] = json!(null);
    refused("agents/sdk", dependency);
}

#[test]
fn confined_crates_are_named_only_where_they_belong() {
    refused("gateway", theirs("ractor"));
    refused("runtime/telemetry", theirs("tonic"));
    refused("runtime/orchestrator", theirs("tonic-health"));
    refused("runtime/node", theirs("async-graphql"));
    refused("runtime/models", theirs("aws-sdk-bedrockruntime"));
    refused("agents/providers/openai", theirs("aws-config"));
    refused("runtime/aws", ours("runtime/kernel"));
    admitted("runtime/discovery", ours("runtime/aws"));
    admitted("agents/providers/bedrock", theirs("aws-sdk-bedrockruntime"));
    admitted("runtime/supervision", theirs("ractor"));
    admitted("proto", theirs("tonic-prost-build"));
    admitted("gateway/graphql", theirs("async-graphql-parser"));
    admitted("tests", theirs("tonic"));
}

#[test]
fn siblings_may_share_a_crate_of_their_folder_without_a_cycle() {
    admitted("gateway", ours("gateway/identity"));
    admitted("agents/providers/openai", ours("agents/providers/http"));
    let circle = metadata(&[
        ("gateway", &[ours("gateway/identity")]),
        ("gateway/identity", &[ours("gateway/limits")]),
        ("gateway/limits", &[ours("gateway")]),
    ]);
    assert_eq!(breaches(&circle).len(), 1);
}
