use std::path::Path;
use std::time::Duration;

use greenroom_wire::TlsPaths;

use super::*;
use crate::certs::made_for_tests;
use crate::config::TlsPlace;
use crate::doctor::report::State;
use crate::ports::MachineClock;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn settings(authority: &Path, certificate: &Path, key: &Path) -> TlsSettings {
    TlsSettings {
        place: TlsPlace::Files(TlsPaths {
            authority: authority.to_owned(),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
        reload: DAY,
    }
}

/// What is said first of these, so many days from now.
async fn said(settings: &TlsSettings, role: Option<MemberRole>, days: u32) -> Line {
    let ahead = i64::try_from((DAY * days).as_millis()).unwrap();
    let clock = Arc::new(MachineClock::ahead_by(ahead));
    examine(settings, role, clock).await.0.remove(0)
}

#[tokio::test]
async fn every_mistake_with_certificates_is_told_apart_and_comes_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    made_for_tests(&ours, 30);
    made_for_tests(&theirs, 30);
    let good = settings(
        &ours.join("authority.pem"),
        &ours.join("agent.pem"),
        &ours.join("agent-key.pem"),
    );
    let line = said(&good, Some(MemberRole::Agent), 0).await;
    assert_eq!(line.state, State::Ok, "{line:?}");
    assert!(line.said.contains("agent.pem: agent, until"), "{line:?}");
    assert_eq!(said(&good, None, 0).await.state, State::Ok);

    let stranger = settings(
        &theirs.join("authority.pem"),
        &ours.join("agent.pem"),
        &ours.join("agent-key.pem"),
    );
    let strange_key = settings(
        &ours.join("authority.pem"),
        &ours.join("agent.pem"),
        &theirs.join("agent-key.pem"),
    );
    let nameless = settings(
        &ours.join("authority.pem"),
        &ours.join("authority.pem"),
        &ours.join("authority-key.pem"),
    );
    let gone = settings(
        &ours.join("authority.pem"),
        &ours.join("x.pem"),
        &ours.join("y.pem"),
    );
    let supervisor = Some(MemberRole::Supervisor);
    for (settings, role, days, state, what, remedy) in [
        (
            &stranger,
            None,
            0,
            State::Fail,
            "not of the authority in [tls]",
            "both authorities",
        ),
        (
            &strange_key,
            None,
            0,
            State::Fail,
            "don't belong together",
            "certs init",
        ),
        (&gone, None, 0, State::Fail, "x.pem can't be read", "certs init"),
        (
            &good,
            supervisor,
            0,
            State::Fail,
            "for agent, and this process is of the role supervisor",
            "certs init supervisor",
        ),
        (
            &nameless,
            None,
            0,
            State::Fail,
            "for no role of Greenroom's",
            "certs init",
        ),
        (&good, None, 15, State::Ok, "until", ""),
        (&good, None, 17, State::Warn, "ends at", "--renew"),
        (&good, None, 31, State::Fail, "it has ended at", "certs init"),
    ] {
        let line = said(settings, role, days).await;
        assert_eq!(line.state, state, "{line:?}");
        assert!(line.said.contains(what), "{line:?}");
        assert!(line.remedy.unwrap_or_default().contains(remedy), "{}", line.said);
    }
}
