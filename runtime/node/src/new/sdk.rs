//! Where a new project gets the SDK from.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::failed::Failed;

/// The SDK's folder in a checkout.
const PLACE: &str = "agents/sdk";

/// Where the SDK is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sdk {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a repository.
    Repository(&'static str),
}

impl Sdk {
    /// What was asked for, else the checkout that this binary was built in, else the project's repository.
    ///
    /// # Errors
    /// A folder without the SDK in it, or nowhere to take it from.
    pub(super) fn find(asked: Option<&Path>, binary: Option<&Path>) -> Result<Self, Failed> {
        Self::find_or(asked, binary, env!("CARGO_PKG_REPOSITORY"))
    }

    pub(super) fn find_or(
        asked: Option<&Path>,
        binary: Option<&Path>,
        repository: &'static str,
    ) -> Result<Self, Failed> {
        if let Some(asked) = asked {
            let found = [asked.to_owned(), asked.join(PLACE)]
                .into_iter()
                .find(|folder| is_sdk(folder));
            let folder = found.ok_or_else(|| {
                Failed::misused(format!(
                    "--sdk {}: neither the SDK's folder (agents/sdk) nor a checkout that holds it",
                    asked.display()
                ))
            })?;
            return Ok(Self::Folder(folder.canonicalize()?));
        }
        let mut ancestors = binary.map(Path::ancestors).into_iter().flatten();
        if let Some(folder) = ancestors.find_map(|folder| {
            let place = folder.join(PLACE);
            is_sdk(&place).then_some(place)
        }) {
            return Ok(Self::Folder(folder.canonicalize()?));
        }
        if repository.is_empty() {
            return Err(Failed::misused(
                "this binary does not lie in a checkout of greenroom, and was built without the address of its \
                 repository: name a checkout by --sdk PATH",
            ));
        }
        Ok(Self::Repository(repository))
    }

    /// The inside of a dependency's table in a Cargo.toml.
    pub(super) fn dependency(&self) -> String {
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        match self {
            Self::Folder(folder) => format!("path = {}", quoted(&folder.to_string_lossy())),
            Self::Repository(address) => format!("git = {}", quoted(address)),
        }
    }

    /// The versions that the SDK is tested with.
    pub(super) fn lock(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.join("../../Cargo.lock")),
            Self::Repository(_) => None,
        }
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "in {}", folder.display()),
            Self::Repository(address) => write!(f, "of {address}"),
        }
    }
}

fn is_sdk(folder: &Path) -> bool {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    manifest.contains("name = \"greenroom-agent-sdk\"")
}
