//! Against PyPI's `ministack` as Secrets Manager.

use aws_sdk_secretsmanager::Client;
use greenroom_aws::testkit::Ministack;
use greenroom_secrets::{Caller, SecretError, SecretsManager};

const REGION: &str = "eu-west-1";

// The emulator is started in this thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs ministack, which `cargo xtask test` installs"]
async fn a_secret_is_read_as_it_is_now_and_what_is_wrong_is_told_apart() {
    let emulator = Ministack::start();
    let keeper = Client::new(&emulator.caller(REGION).find().await);
    let create = keeper
        .create_secret()
        .name("greenroom/agent")
        .secret_string("one");
    let arn = create.send().await.unwrap().arn.unwrap();
    let secret = SecretsManager::new("greenroom/agent", emulator.caller(REGION));
    let read = secret.read().await.unwrap();
    assert_eq!(read.expose(), "one");
    assert!(!format!("{read:?}").contains("one"));
    let put = keeper.put_secret_value().secret_id(&arn).secret_string("two");
    put.send().await.unwrap();
    assert_eq!(secret.read().await.unwrap().expose(), "two");
    let by_arn = SecretsManager::new(
        &arn,
        Caller {
            region: None,
            ..emulator.caller(REGION)
        },
    );
    assert_eq!(by_arn.read().await.unwrap().expose(), "two");

    let missing = SecretsManager::new("greenroom/nobody", emulator.caller(REGION));
    let missing = missing.read().await.unwrap_err();
    let said = missing.to_string();
    assert!(matches!(missing, SecretError::Refused { .. }), "{said}");
    assert!(
        said.contains("greenroom/nobody") && said.contains("mend its name or its region"),
        "{said}"
    );

    let nowhere = Caller {
        endpoint: Some("http://127.0.0.1:1".to_owned()),
        ..emulator.caller(REGION)
    };
    let unreached = SecretsManager::new("x", nowhere).read().await.unwrap_err();
    assert!(unreached.is_retryable(), "{unreached}");
}
