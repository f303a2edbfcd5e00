//! Programs of the documents that need more than this repository: other people's clients, and a compiler's time.

use std::path::PathBuf;
use std::process::Command;

use super::blocks::{blocks, document};
use super::commands::{commands, words};
use super::curl::WRITTEN_URL;
use super::pages::PROGRAMS;
use super::world::World;
use crate::house::root;
use crate::support::FakeModel;

/// Where the whole suite has installed what tests need.
fn parts() -> PathBuf {
    let parts =
        std::env::var_os("GREENROOM_TEST_PARTS").expect("GREENROOM_TEST_PARTS names the installed parts");
    parts.into()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{command:?}\n{said}{complained}");
    said.into_owned()
}

#[tokio::test]
#[ignore = "needs Node and its graphql-sse: `cargo xtask test` installs them"]
async fn the_documents_programs_chat_through_somebody_elses_client() {
    let needs = document("xtask/src/needs.rs");
    let world = World::start(FakeModel::start().await, true).await;
    for page in PROGRAMS {
        let all = blocks(&document(page));
        for package in all
            .iter()
            .filter(|block| block.language == "sh")
            .flat_map(commands)
        {
            for package in package.strip_prefix("npm install ").into_iter().flat_map(words) {
                assert!(
                    needs.contains(&format!("\"{package}@")),
                    "{package} is not installed for the tests"
                );
            }
        }
        let programs: Vec<_> = all.iter().filter(|block| block.language == "js").collect();
        assert!(!programs.is_empty(), "{page} has no program");
        for program in programs {
            // Beside the packages, where Node looks for them.
            let file = tempfile::Builder::new()
                .suffix(".mjs")
                .tempfile_in(parts().join("node"))
                .unwrap();
            let text = program.text.replace(WRITTEN_URL, &world.server.http);
            assert_ne!(text, program.text, "{page}: the program calls {WRITTEN_URL}");
            std::fs::write(file.path(), text).unwrap();
            let path = file.path().to_owned();
            let run = tokio::task::spawn_blocking(move || run(Command::new("node").arg(path)));
            let said = run.await.unwrap();
            assert!(FakeModel::may_have_said(&said), "{page}: {said}");
        }
    }
    world.end();
}

#[test]
#[ignore = "needs mdBook: `cargo xtask test` installs it"]
fn the_documents_are_a_book_without_a_warning_that_loads_nothing_from_elsewhere() {
    let book = tempfile::tempdir().unwrap();
    let mut build = Command::new(parts().join("python/bin/mdbook"));
    let build = build
        .arg("build")
        .arg(root().join("docs"))
        .arg("--dest-dir")
        .arg(book.path());
    let output = build.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    for page in ["index", "first-tool", "errors/NOT_FOUND", "decisions/index"] {
        let page = book.path().join(page).with_extension("html");
        let page = std::fs::read_to_string(page).unwrap();
        for loads in [
            "src=\"http",
            "<link rel=\"stylesheet\" href=\"http",
            "import(\"http",
        ] {
            assert!(!page.contains(loads), "a page loads {loads}…");
        }
    }
    assert!(std::fs::read_dir(book.path()).unwrap().any(|file| {
        file.unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("searchindex")
    }));
}
