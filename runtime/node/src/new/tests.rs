use std::path::Path;

use super::*;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

#[test]
fn the_sdk_is_what_was_asked_for_else_the_binarys_checkout_else_the_repository() {
    let root = checkout();
    let folder = Sdk::Folder(root.join("agents/sdk"));
    let nowhere = Path::new("/nowhere/greenroom");
    let find = |asked: Option<&Path>, binary: &Path, address| Sdk::find_or(asked, Some(binary), address);
    assert_eq!(find(Some(&root), nowhere, "").unwrap(), folder);
    assert_eq!(find(Some(&root.join("agents/sdk")), nowhere, "").unwrap(), folder);
    assert_eq!(
        find(None, &root.join("target/debug/greenroom"), "").unwrap(),
        folder
    );
    assert_eq!(find(None, nowhere, "u").unwrap(), Sdk::Repository("u"));
    let why = find(None, nowhere, "").unwrap_err().to_string();
    assert!(why.contains("--sdk PATH"), "{why}");
    let why = find(Some(Path::new("/nowhere")), nowhere, "u")
        .unwrap_err()
        .to_string();
    assert!(why.starts_with("--sdk /nowhere: "), "{why}");
}

#[test]
fn a_project_is_whole_and_its_manifest_is_toml() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("shop-keeper");
    let sdk = Sdk::Folder(checkout().join("agents/sdk"));
    create(&place, &name("shop-keeper"), &sdk).unwrap();
    let read = |file: &str| std::fs::read_to_string(place.join(file)).unwrap();
    let manifest: toml_edit::DocumentMut = read("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("shop-keeper"));
    assert!(manifest.contains_key("workspace"));
    let path = manifest["dependencies"]["greenroom-agent-sdk"]["path"]
        .as_str()
        .unwrap();
    assert!(Path::new(path).join("src/testkit.rs").exists());
    let program = read("src/main.rs");
    assert!(program.lines().count() < 40, "{} lines", program.lines().count());
    for file in [
        "src/main.rs",
        "tests/crashes.rs",
        "README.md",
        ".gitignore",
        "Cargo.toml",
    ] {
        assert!(!read(file).contains('@'), "{file}");
    }
    assert!(place.join("Cargo.lock").exists());
    let why = create(&place, &name("shop-keeper"), &sdk)
        .unwrap_err()
        .to_string();
    assert!(why.contains("is there already and not empty"), "{why}");
    let why = create(&place.join("Cargo.toml"), &name("x"), &sdk)
        .unwrap_err()
        .to_string();
    assert!(why.contains("is a file"), "{why}");
}

#[test]
fn paths_and_addresses_are_quoted() {
    let odd = Sdk::Folder(PathBuf::from("/a \"b\"\\c"));
    let manifest = format!("sdk = {{ {} }}", odd.dependency());
    let manifest: toml_edit::DocumentMut = manifest.parse().unwrap();
    assert_eq!(manifest["sdk"]["path"].as_str(), Some("/a \"b\"\\c"));
}

#[test]
fn a_package_is_named_as_cargo_allows() {
    assert_eq!(package("shop-keeper"), "shop-keeper");
    assert_eq!(package("Shop"), "Shop");
    for (agent, cargo) in [
        ("fn", "agent-fn"),
        ("shop", "agent-shop"),
        ("7up", "agent-7up"),
        ("_x", "agent-_x"),
        ("serde_json", "agent-serde_json"),
        ("greenroom-wire", "agent-greenroom-wire"),
    ] {
        assert_eq!(package(agent), cargo);
    }
}
