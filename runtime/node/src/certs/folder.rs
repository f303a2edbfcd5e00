//! The folder that certificates are kept in: `authority.pem`, `authority-key.pem`, and `ROLE.pem` and `ROLE-key.pem` for
//! each role.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use greenroom_kernel::{MemberRole, Timestamp};

use super::ROLES;
use super::issue::{Authority, Issued};
use crate::failed::Failed;

/// Keys are for who made them; certificates are for everybody.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// A certificate and its key as they lie there.
pub(super) struct Written {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) ends: Timestamp,
}

pub(super) struct Folder<'a>(&'a Path);

impl<'a> Folder<'a> {
    pub(super) fn at(path: &'a Path) -> Self {
        Self(path)
    }

    fn files(&self, name: &str) -> [PathBuf; 2] {
        [
            self.0.join(format!("{name}.pem")),
            self.0.join(format!("{name}-key.pem")),
        ]
    }

    pub(super) fn authority_file(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    /// For which roles certificates are to be made: those that were named, else those that are there to be renewed, else
    /// those that a fleet needs.
    ///
    /// # Errors
    /// One is there that nobody said may be replaced.
    pub(super) fn meant(&self, named: &[MemberRole], renew: bool) -> Result<Vec<MemberRole>, Failed> {
        let there = |role: MemberRole| {
            let mut files = self.files(role.as_str()).into_iter();
            files.find(|file| file.exists())
        };
        let mut roles = match (named, renew) {
            ([], true) => ROLES.into_iter().filter(|role| there(*role).is_some()).collect(),
            ([], false) => ROLES.to_vec(),
            (named, _) => named.to_vec(),
        };
        roles.sort();
        roles.dedup();
        if roles.is_empty() {
            let what = format!("there is no certificate in {} to be renewed", self.0.display());
            return Err(Failed::misused(what));
        }
        match roles.iter().find_map(|role| there(*role)).filter(|_| !renew) {
            Some(file) => Err(Failed::because(format!(
                "{} is there already: --renew replaces it, by one of the same authority",
                file.display()
            ))),
            None => Ok(roles),
        }
    }

    /// The authority that lies there, if one does.
    pub(super) fn authority(&self) -> Result<Option<Authority>, Failed> {
        let [certificate, key] = self.files("authority");
        if !certificate.exists() && !key.exists() {
            return Ok(None);
        }
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| {
                Failed::because(format!(
                    "{} can't be read: {error}; certificates are issued by an authority with its key",
                    path.display()
                ))
            })
        };
        let authority = Authority::of(&read(&certificate)?, &read(&key)?);
        authority.map(Some).map_err(|why| {
            Failed::because(format!("{} is no usable authority: {why}", certificate.display()))
        })
    }

    pub(super) fn create(&self) -> Result<(), Failed> {
        fs::create_dir_all(self.0)
            .map_err(|error| Failed::because(format!("{} can't be made: {error}", self.0.display())))
    }

    pub(super) fn write_authority(&self, issued: &Issued) -> Result<Written, Failed> {
        self.put("authority", issued, false)
    }

    pub(super) fn write(&self, role: MemberRole, issued: &Issued, replace: bool) -> Result<Written, Failed> {
        self.put(role.as_str(), issued, replace)
    }

    fn put(&self, name: &str, issued: &Issued, replace: bool) -> Result<Written, Failed> {
        let [certificate, key] = self.files(name);
        for (path, text, mode) in [
            (&key, &issued.key, PRIVATE),
            (&certificate, &issued.certificate, PUBLIC),
        ] {
            let written = match replace {
                true => replaced(path, text, mode),
                false => created(path, text, mode),
            };
            written
                .map_err(|error| Failed::because(format!("{} can't be written: {error}", path.display())))?;
        }
        Ok(Written {
            certificate,
            key,
            ends: issued.ends,
        })
    }
}

/// Whole or not at all: a process may be reading it.
fn replaced(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    created(Path::new(&unfinished), text, mode)?;
    fs::rename(&unfinished, path)
}

fn created(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
