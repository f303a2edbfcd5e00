use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use greenroom_wire::{TlsIdentity, TlsPaths};

use super::*;

fn asked(dir: &Path) -> CertsInitArgs {
    CertsInitArgs {
        roles: Vec::new(),
        dir: dir.to_owned(),
        days: 30,
        renew: false,
        json: false,
    }
}

fn identity(dir: &Path, role: MemberRole) -> Arc<TlsIdentity> {
    let paths = TlsPaths {
        authority: dir.join("authority.pem"),
        certificate: dir.join(format!("{role}.pem")),
        key: dir.join(format!("{role}-key.pem")),
    };
    TlsIdentity::load(paths, role).unwrap()
}

#[test]
fn every_role_gets_a_certificate_of_one_authority_and_keys_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("certs");
    let made = make(&asked(&dir), &MachineClock::new()).unwrap();
    assert!(made.authority.is_some());
    for role in ROLES {
        let identity = identity(&dir, role);
        identity.vouched().unwrap();
        for other in ROLES {
            assert_eq!(identity.is_of(other), other == role);
        }
    }
    let mut keys = 0;
    for file in std::fs::read_dir(&dir).unwrap() {
        let file = file.unwrap();
        let key = file.file_name().to_string_lossy().ends_with("-key.pem");
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert!(!key || mode == 0o600, "{:?} has {mode:o}", file.path());
        keys += u32::from(key);
    }
    assert_eq!(keys, 4);
}

#[test]
fn what_is_there_is_replaced_only_when_that_is_asked_for_and_the_authority_never() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let renewing = |roles: &[MemberRole]| CertsInitArgs {
        renew: true,
        roles: roles.to_vec(),
        ..asked(dir)
    };
    let refused = |args: &CertsInitArgs| match make(args, &MachineClock::new()) {
        Ok(_) => panic!("it was made"),
        Err(failed) => failed.to_string(),
    };
    let clock = MachineClock::new();
    assert!(refused(&renewing(&[])).contains("to be renewed"));
    assert!(refused(&renewing(&[MemberRole::Agent])).contains("no authority"));
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);

    let only_agent = CertsInitArgs {
        roles: vec![MemberRole::Agent],
        ..asked(dir)
    };
    make(&only_agent, &clock).unwrap();
    let (authority, agent) = (read("authority.pem"), read("agent.pem"));
    assert!(refused(&asked(dir)).contains("agent.pem is there already"));
    assert!(!dir.join("gateway.pem").exists());

    // Another role is made of the same authority.
    let gateway = CertsInitArgs {
        roles: vec![MemberRole::Gateway],
        ..asked(dir)
    };
    assert!(make(&gateway, &clock).unwrap().authority.is_none());
    identity(dir, MemberRole::Gateway).vouched().unwrap();

    let renewed = make(&renewing(&[]), &clock).unwrap();
    let roles: Vec<_> = renewed.roles.iter().map(|(role, _)| *role).collect();
    assert_eq!(roles, [MemberRole::Gateway, MemberRole::Agent]);
    assert_eq!(read("authority.pem"), authority);
    assert_ne!(read("agent.pem"), agent);
    identity(dir, MemberRole::Agent).vouched().unwrap();
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 6);
}

#[test]
fn an_authority_with_anothers_key_issues_nothing_and_none_outlives_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let clock = MachineClock::new();
    let only_agent = |dir: &Path, days: u32| CertsInitArgs {
        roles: vec![MemberRole::Agent],
        days,
        ..asked(dir)
    };
    let failure = |args: CertsInitArgs| make(&args, &clock).map(drop).unwrap_err().to_string();
    make(&only_agent(&one, 1), &clock).unwrap();
    make(&only_agent(&two, 1), &clock).unwrap();
    std::fs::copy(two.join("authority-key.pem"), one.join("authority-key.pem")).unwrap();
    let renewed = CertsInitArgs {
        renew: true,
        ..only_agent(&one, 1)
    };
    assert!(failure(renewed).contains("another one's"));
    // Ten years after a moment later than the authority's.
    let later = MachineClock::ahead_by(60_000);
    let too_long = CertsInitArgs {
        renew: true,
        ..only_agent(&two, 3650)
    };
    let said = make(&too_long, &later).map(drop).unwrap_err().to_string();
    assert!(said.contains("the authority ends at"), "{said}");
}

#[test]
fn facts_are_read_of_every_certificate_in_a_text_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    make(&asked(folder.path()), &MachineClock::new()).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let text = [read("agent-key.pem"), read("agent.pem"), read("authority.pem")].concat();
    let facts = Facts::of_pem(text.as_bytes()).unwrap();
    let [agent, authority] = facts.as_slice() else {
        panic!("{facts:?}");
    };
    assert_eq!(agent.roles(), [MemberRole::Agent]);
    assert_eq!((&agent.issuer, authority.roles().len()), (&authority.subject, 0));
    let now = MachineClock::new().now();
    let days = now.until(agent.not_after).as_secs().div_ceil(24 * 60 * 60);
    assert_eq!(days, 30);
    assert!(agent.not_before < now);
    assert!(Facts::of_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
}
