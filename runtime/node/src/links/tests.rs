use std::path::Path;
use std::time::Duration;

use greenroom_wire::TlsPaths;

use super::*;
use crate::certs::made_for_tests;
use crate::config::TlsPlace;
use crate::ports::MachineClock;

fn settings(dir: &Path, name: &str) -> TlsSettings {
    TlsSettings {
        place: TlsPlace::Files(TlsPaths {
            authority: dir.join("authority.pem"),
            certificate: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}-key.pem")),
        }),
        reload: Duration::from_millis(20),
    }
}

async fn refused(settings: &TlsSettings, role: MemberRole, ahead: Duration) -> String {
    let ahead = i64::try_from(ahead.as_millis()).unwrap();
    let clock = Arc::new(MachineClock::ahead_by(ahead));
    match open(Some(settings), role, false, clock).await {
        Ok(_) => panic!("it was opened"),
        Err(failed) => failed.to_string(),
    }
}

#[tokio::test]
async fn a_process_starts_only_with_a_certificate_of_its_role_that_is_in_time() {
    let folder = tempfile::tempdir().unwrap();
    made_for_tests(folder.path(), 30);
    let supervisor = settings(folder.path(), "supervisor");
    let clock = Arc::new(MachineClock::new());
    let links = open(Some(&supervisor), MemberRole::Supervisor, false, clock)
        .await
        .unwrap();
    assert!(links.agent("https://10.0.0.7:7071").is_ok());
    assert!(links.agent("http://10.0.0.7:7071").is_err());

    let said = refused(&supervisor, MemberRole::Agent, Duration::ZERO).await;
    assert!(
        said.contains("supervisor.pem is a certificate for supervisor"),
        "{said}"
    );
    assert!(said.contains("certs init agent"), "{said}");
    let later = Duration::from_secs(31 * 24 * 60 * 60);
    let said = refused(&supervisor, MemberRole::Supervisor, later).await;
    assert!(
        said.contains("it has ended at") && said.contains("--renew"),
        "{said}"
    );
    let said = refused(
        &settings(folder.path(), "nobody"),
        MemberRole::Agent,
        Duration::ZERO,
    )
    .await;
    assert!(said.contains("nobody.pem can't be read: No such file"), "{said}");
}

#[tokio::test]
async fn without_certificates_plaintext_stays_on_this_machine_unless_somebody_says_otherwise() {
    let clock = || Arc::new(MachineClock::new());
    let links = open(None, MemberRole::Gateway, false, clock()).await.unwrap();
    assert!(links.supervisor("10.0.0.7:7070").is_err());
    let links = open(None, MemberRole::Gateway, true, clock()).await.unwrap();
    assert!(links.supervisor("10.0.0.7:7070").is_ok());
}

#[tokio::test]
async fn a_certificate_of_another_role_that_is_put_in_place_later_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    made_for_tests(folder.path(), 30);
    let mine = settings(folder.path(), "agent");
    let clock = Arc::new(MachineClock::new());
    let links = open(Some(&mine), MemberRole::Agent, false, clock).await.unwrap();
    let identity = links.identity().unwrap();
    for kind in ["", "-key"] {
        let of = |role: &str| folder.path().join(format!("{role}{kind}.pem"));
        std::fs::copy(of("supervisor"), of("agent")).unwrap();
    }
    let said = identity.reload().await.unwrap_err().to_string();
    assert!(
        said.contains("agent.pem is a certificate for supervisor"),
        "{said}"
    );
    assert!(identity.is_of(MemberRole::Agent) && identity.complaint().is_some());
}
