//! A small disk: mounted in a namespace of its own, where only those see it who are let in.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Mounts it, says so, and keeps the namespace until nobody holds the other end of its input.
const HOLD: &str = "mount -t tmpfs -o size=$1 tmpfs \"$0\" && echo mounted && exec cat";

/// A disk of few bytes. It is gone with this value.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: TempDir,
    holder: Child,
}

impl Disk {
    /// Mounts one.
    pub(crate) fn of(bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut holder = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", HOLD])
            .arg(folder.path())
            .arg(bytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is installed");
        let mut line = String::new();
        let said = holder.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut line).unwrap();
        assert_eq!(
            line, "mounted\n",
            "user namespaces must be allowed here, see `unshare --help`"
        );
        Self { folder, holder }
    }

    /// Where it is, for those inside.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where one of its files is, for us outside.
    pub(crate) fn seen(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.path().strip_prefix("/").unwrap()).join(name)
    }

    /// A command that sees it. It is the process that is started, under the same id.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.holder.id().to_string()])
            .args(["--user", "--preserve-credentials", "--mount"])
            .arg(program);
        command
    }

    /// Takes all the room there is.
    pub(crate) fn fill(&self) {
        let mut ballast = std::fs::File::create(self.seen("ballast")).unwrap();
        let mut bytes = 1 << 16;
        while bytes > 0 {
            if ballast.write_all(&vec![0; bytes]).is_err() {
                bytes /= 2;
            }
        }
    }

    /// Gives the room back.
    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.seen("ballast")).unwrap();
    }

    /// Mounts it again, `ro` or `rw`. Nobody may have a file of it open to write.
    pub(crate) fn remount(&self, how: &str) {
        let done = self
            .command(Path::new("mount"))
            .args(["-o", &format!("remount,{how}")])
            .arg(self.path())
            .status()
            .unwrap();
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
