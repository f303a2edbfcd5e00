//! Makes of the SDK's examples what a test can include, so that the documents' tests run their agents on ports of
//! their own: an included file may have no inner documentation.

use std::error::Error;
use std::path::{Path, PathBuf};

const EXAMPLES: [&str; 3] = ["first_agent", "first_tool", "buyer"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../agents/sdk/examples");
    for name in EXAMPLES {
        let file = folder.join(name).with_extension("rs");
        #[allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
        {
            println!("cargo:rerun-if-changed={}", file.display());
        }
        let text = std::fs::read_to_string(&file)?;
        let lines = text.lines().filter(|line| !line.starts_with("//!"));
        let body: String = lines.map(|line| format!("{line}\n")).collect();
        std::fs::write(out.join(name).with_extension("rs"), body)?;
    }
    Ok(())
}
