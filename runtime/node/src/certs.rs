//! `greenroom certs`: a private authority and certificates for the roles of a fleet.

mod facts;
mod folder;
mod issue;
mod show;

use greenroom_kernel::{Clock, MemberRole};
use serde_json::json;

use crate::cli::{CertsArgs, CertsCommand, CertsInitArgs};
use crate::failed::Failed;
use crate::output;
use crate::ports::MachineClock;
use folder::{Folder, Written};
use issue::{Authority, Issued};

pub(crate) use facts::Facts;

/// What a fleet needs, where nobody says what.
const ROLES: [MemberRole; 3] = [MemberRole::Gateway, MemberRole::Supervisor, MemberRole::Agent];

/// Makes certificates, or shows them.
pub(crate) fn run(args: &CertsArgs) -> Result<(), Failed> {
    match &args.command {
        CertsCommand::Init(args) => {
            let made = make(args, &MachineClock::new())?;
            tell(args, &made)
        }
        CertsCommand::Show(args) => show::run(args, &MachineClock::new()),
    }
}

/// What came to be.
struct Made {
    /// The authority, where it is new.
    authority: Option<Written>,
    roles: Vec<(MemberRole, Written)>,
}

fn make(args: &CertsInitArgs, clock: &dyn Clock) -> Result<Made, Failed> {
    let folder = Folder::at(&args.dir);
    let roles = folder.meant(&args.roles, args.renew)?;
    let now = clock.now();
    let (authority, fresh) = match folder.authority()? {
        Some(authority) => (authority, None),
        None if args.renew => {
            return Err(Failed::misused(format!(
                "there is no authority in {}: leave out --renew, or name its folder with --dir",
                args.dir.display()
            )));
        }
        None => {
            let (authority, issued) = Authority::new(now)?;
            (authority, Some(issued))
        }
    };
    let issued: Vec<(MemberRole, Issued)> = roles
        .into_iter()
        .map(|role| Ok((role, authority.issue(role, now, args.days)?)))
        .collect::<Result<_, Failed>>()?;
    // Everything was made: only now is something written.
    folder.create()?;
    let authority = fresh.map(|issued| folder.write_authority(&issued)).transpose()?;
    let roles = issued
        .into_iter()
        .map(|(role, issued)| Ok((role, folder.write(role, &issued, args.renew)?)))
        .collect::<Result<_, Failed>>()?;
    Ok(Made { authority, roles })
}

fn tell(args: &CertsInitArgs, made: &Made) -> Result<(), Failed> {
    let authority = Folder::at(&args.dir).authority_file();
    if args.json {
        let of = |written: &Written| json!({ "certificate": written.certificate, "key": written.key, "ends": written.ends.to_string() });
        let roles: serde_json::Map<String, serde_json::Value> = made
            .roles
            .iter()
            .map(|(role, written)| (role.to_string(), of(written)))
            .collect();
        return output::json(&json!({
            "authority": authority,
            "authority_key": made.authority.as_ref().map(|written| &written.key),
            "certificates": roles,
        }));
    }
    let mut lines = Vec::new();
    if let Some(written) = &made.authority {
        lines.push(format!(
            "{} is a new authority, until {}",
            written.certificate.display(),
            written.ends
        ));
        lines.push(format!(
            "{} is its key: whoever has it can be any process of yours. Keep it away from them all",
            written.key.display()
        ));
    }
    for (role, written) in &made.roles {
        lines.push(format!(
            "{} and {} are a {role}'s, until {}",
            written.certificate.display(),
            written.key.display(),
            written.ends
        ));
    }
    if let Some((role, written)) = made.roles.first() {
        lines.push(format!(
            "\nA {role} is given them so:\n\n[tls]\nauthority = {:?}\ncertificate = {:?}\nkey = {:?}",
            authority.display().to_string(),
            written.certificate.display().to_string(),
            written.key.display().to_string()
        ));
    }
    output::text(&lines.join("\n"))
}

/// An authority with a certificate for each role, for tests of what uses them.
#[cfg(test)]
pub(crate) fn made_for_tests(dir: &std::path::Path, days: u32) {
    let args = CertsInitArgs {
        roles: Vec::new(),
        dir: dir.to_owned(),
        days,
        renew: false,
        json: false,
    };
    make(&args, &MachineClock::new()).unwrap();
}

#[cfg(test)]
mod tests;
