//! Processes that prove their role to each other by certificates, on the real binary.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::agents::known;
use crate::support::{Client, FakeModel, ForeignHost, Language, Options, Server, binary, until};

const PATIENCE: Duration = Duration::from_secs(30);

fn greenroom(home: &Path, env: &[(String, String)], arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("OPENAI_API_KEY", "k")
        .envs(env.iter().cloned())
        .current_dir(home);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .concat()
}

/// The environment of a process with the certificate of a role.
fn shows(certs: &Path, role: &str) -> Vec<(String, String)> {
    let file = |name: String| certs.join(name).display().to_string();
    [
        ("AUTHORITY", file("authority.pem".to_owned())),
        ("CERTIFICATE", file(format!("{role}.pem"))),
        ("KEY", file(format!("{role}-key.pem"))),
    ]
    .map(|(key, file)| (format!("GREENROOM__TLS__{key}"), file))
    .to_vec()
}

async fn is_reached_by_tls(language: Language) {
    let home = tempfile::tempdir().unwrap();
    let certs = home.path().join("certs");
    let made = greenroom(home.path(), &[], &["certs", "init"]);
    assert!(made.status.success(), "{}", said(&made));
    let mut host = ForeignHost::start_with(language, shows(&certs, "agent")).await;
    assert!(host.url.starts_with("https://"), "{}", host.url);

    let model = FakeModel::start().await;
    let server = Server::start(Options {
        model: Some(model.url.clone()),
        agents: vec![host.url.clone()],
        env: [
            shows(&certs, "supervisor"),
            vec![("GREENROOM__TLS__RELOAD_MS".to_owned(), "100".to_owned())],
        ]
        .concat(),
        ..Options::default()
    })
    .await;
    let client = Client::new(&server.http);
    let agent = host.agent("talker");
    known(&client, &agent).await;
    let task = client.run(&agent, "hello").await;
    assert_eq!(task["status"], "COMPLETED", "{task}");

    // Of the same authority, and no supervisor: the agent itself is refused, whatever it asks.
    let mut other = shows(&certs, "agent");
    other.push(("GREENROOM__AGENT__JOIN".to_owned(), format!("[{:?}]", host.url)));
    other.push(("GREENROOM__STORE__PATH".to_owned(), "other.sqlite".to_owned()));
    let doctor = greenroom(home.path(), &other, &["doctor", "--url", &server.http]);
    assert!(
        said(&doctor).contains("only supervisors are served"),
        "{}",
        said(&doctor)
    );
    for (role, answers) in [
        ("supervisor", "OK OK"),
        ("agent", "PERMISSION_DENIED PERMISSION_DENIED"),
        ("gateway", "PERMISSION_DENIED PERMISSION_DENIED"),
    ] {
        let asked = host
            .in_python(ASK, &[&host.url, certs.to_str().unwrap(), role])
            .await;
        assert_eq!(asked.trim(), answers, "{role}");
    }

    // New certificates of the same authority are taken up by the server that runs.
    let renewed = greenroom(home.path(), &[], &["certs", "init", "--renew"]);
    assert!(renewed.status.success(), "{}", said(&renewed));
    until("new certificates are in force", PATIENCE, || async {
        server
            .log()
            .contains("new certificates are in force")
            .then_some(())
    })
    .await;
    host.kill().await;
    host.restart().await;
    let task = client.run(&agent, "again").await;
    assert_eq!(task["status"], "COMPLETED", "{task}");

    // One of another role is not: not while the host runs, nor at its start.
    for kind in ["", "-key"] {
        let of = |role: &str| certs.join(format!("{role}{kind}.pem"));
        std::fs::rename(of("agent"), certs.join(format!("own{kind}.pem"))).unwrap();
        std::fs::copy(of("gateway"), of("agent")).unwrap();
    }
    let refusal = "is not an agent host's certificate";
    match language {
        Language::Python => {
            let supervisor = [&host.url, certs.to_str().unwrap(), "supervisor"];
            assert_eq!(host.in_python(ASK, &supervisor).await.trim(), "OK OK");
            assert!(host.log().contains(refusal), "{}", host.log());
            assert!(
                host.in_python(START, &[certs.to_str().unwrap()])
                    .await
                    .contains(refusal)
            );
        }
        Language::TypeScript => {
            let judged = host.in_node(RENEW, &[certs.to_str().unwrap()]).await;
            assert!(
                judged.contains("\nkept, renewed, a stranger, a supervisor\n"),
                "{judged}"
            );
            assert!(judged.matches(refusal).count() == 2, "{judged}");
        }
    }
}

/// How a host answers one of a role: its health, and what it serves.
const ASK: &str = r#"
import sys, grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
url, certs, role = sys.argv[1:]
read = lambda name: open(f"{certs}/{name}.pem", "rb").read()
shown = grpc.ssl_channel_credentials(read("authority"), read(f"{role}-key"), read(role))
name = [("grpc.ssl_target_name_override", "agent.greenroom.internal")]
channel = grpc.secure_channel(url.removeprefix("https://"), shown, options=name)
def asked(call):
    try:
        call()
        return "OK"
    except grpc.RpcError as error:
        return error.code().name
health = health_pb2_grpc.HealthStub(channel)
reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
listing = reflection_pb2.ServerReflectionRequest(list_services="")
print(
    asked(lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=20)),
    asked(lambda: list(reflection.ServerReflectionInfo(iter([listing]), timeout=20))),
)
"#;

/// What is said of the certificates in a folder at a start in Python.
const START: &str = r#"
import os, sys, tls
for name, file in zip(tls.VARIABLES, ("authority", "agent", "agent-key")):
    os.environ[name] = f"{sys.argv[1]}/{file}.pem"
tls.credentials()
"#;

/// In TypeScript: a start with another role's, then a renewal by one, and by one's own; who is taken for a supervisor.
const RENEW: &str = r#"
import { copyFileSync } from "node:fs";
const { Files, credentials, isSupervisor } = await import(`${process.cwd()}/dist/tls.js`);
const certs = process.argv.at(-1);
const files = ["authority", "agent", "agent-key"].map((name) => `${certs}/${name}.pem`);
const put = (role) => ["", "-key"].forEach((kind) => copyFileSync(`${certs}/${role}${kind}.pem`, `${certs}/agent${kind}.pem`));
try {
  new Files(...files);
} catch (error) {
  console.log(error.message);
}
put("own");
const held = new Files(...files);
let told = [];
held.addIdentityCertificateListener((update) => told.push(String(update.certificate)));
await new Promise((resolve) => setImmediate(resolve));
put("gateway");
held.reload();
held.reload();
const kept = told.length === 1 ? "kept" : "taken";
put("own");
held.reload();
const renewed = told.length === 2 && told[0] === told[1] ? "renewed" : "lost";
const judged = (context) => (isSupervisor({ getAuthContext: () => context }) ? "a supervisor" : "a stranger");
const named = (subjectaltname) => judged({ sslPeerCertificate: { subjectaltname } });
const strangers = [judged(null), judged({}), named(undefined), named('DNS:"a, DNS:supervisor.greenroom.internal"'), named("URI:supervisor.greenroom.internal")];
console.log(`${kept}, ${renewed}, ${[...new Set(strangers)]}, ${named("DNS:x, DNS:supervisor.greenroom.internal")}`);
"#;

#[tokio::test]
#[ignore = "needs Python packages: run by `cargo xtask test`"]
async fn a_host_in_python_is_reached_by_tls_and_only_by_supervisors() {
    is_reached_by_tls(Language::Python).await;
}

#[tokio::test]
#[ignore = "needs npm packages: run by `cargo xtask test`"]
async fn a_host_in_typescript_is_reached_by_tls() {
    is_reached_by_tls(Language::TypeScript).await;
}

#[test]
fn plaintext_to_another_machine_a_wrong_role_and_a_missing_file_are_refused_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let certs = home.path().join("certs");
    let made = greenroom(home.path(), &[], &["certs", "init", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(shown["certificates"]["agent"]["certificate"], "certs/agent.pem");
    let again = greenroom(home.path(), &[], &["certs", "init"]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert!(said(&again).contains("--renew"), "{}", said(&again));
    let listed = greenroom(home.path(), &[], &["certs", "show"]);
    assert!(
        said(&listed).contains("certs/gateway.pem  gateway"),
        "{}",
        said(&listed)
    );

    let refused = |env: &[(String, String)], agent: &[&str], wanted: &str, code: i32| {
        let arguments = ["dev", "--listen", "127.0.0.1:0", "--store", "s.sqlite"];
        let mut env = env.to_vec();
        env.push(("GREENROOM__OPERATOR__LISTEN".to_owned(), "127.0.0.1:0".to_owned()));
        let output = greenroom(home.path(), &env, &[&arguments, agent].concat());
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(wanted), "{}", said(&output));
    };
    let away = ["--agent", "http://10.0.0.7:7071"];
    refused(&[], &away, "no certificate is configured", 2);
    refused(&[], &["--agent", "https://127.0.0.1:7071"], "certs init", 2);
    let supervisor = shows(&certs, "supervisor");
    refused(&supervisor, &away, "write https://10.0.0.7:7071", 2);
    refused(
        &shows(&certs, "agent"),
        &[],
        "this process is of the role supervisor",
        1,
    );
    refused(&shows(&certs, "nobody"), &[], "nobody.pem can't be read", 1);
}
