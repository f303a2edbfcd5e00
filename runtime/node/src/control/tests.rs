use super::*;
use greenroom_kernel::{ErrorCode, TenantId};
use serde_json::json;

#[test]
fn requests_and_answers_are_single_lines_with_stable_names() {
    let settle = Request::Settle {
        id: "s.0".into(),
        step: 3,
        attempt: None,
        done: Some("{\"a\":\n1}".into()),
        note: None,
    };
    let line = serde_json::to_string(&settle).unwrap();
    assert_eq!(
        line,
        r#"{"do":"settle","id":"s.0","step":3,"done":"{\"a\":\n1}","note":null}"#
    );
    assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), settle);
    assert_eq!(
        serde_json::to_string(&Answer::Ok(json!(1))).unwrap(),
        r#"{"ok":1}"#
    );
}

#[test]
fn the_socket_lies_beside_the_store() {
    assert_eq!(
        socket_of(Path::new("/d/greenroom.sqlite")),
        Path::new("/d/greenroom.sqlite.sock")
    );
}

#[test]
fn where_no_process_listens_nobody_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.sqlite");
    let list = Request::List {
        status: None,
        session: None,
        limit: 1,
        after: None,
    };
    assert!(matches!(ask(&store, &list).unwrap(), Reached::Nobody));
    // A socket that a dead process left.
    drop(std::os::unix::net::UnixListener::bind(socket_of(&store)).unwrap());
    assert!(matches!(ask(&store, &list).unwrap(), Reached::Nobody));
}

#[tokio::test]
async fn a_store_nobody_has_open_is_read_and_not_acted_on() {
    let folder = tempfile::tempdir().unwrap();
    let offline = Offline::open(&folder.path().join("s.sqlite"), TenantId::parse("dev").unwrap()).unwrap();
    let list = Request::List {
        status: None,
        session: None,
        limit: 10,
        after: None,
    };
    assert_eq!(
        offline.answer(list).await,
        Answer::Ok(json!({ "tasks": [], "next": null }))
    );
    let code = |answer| match answer {
        Answer::Err(failure) => (failure.code, failure.message),
        Answer::Ok(value) => panic!("{value}"),
    };
    assert_eq!(
        code(offline.answer(Request::Show { id: "s.0".into() }).await).0,
        ErrorCode::NotFound
    );
    assert_eq!(
        code(offline.answer(Request::Export { id: "s.0".into() }).await).0,
        ErrorCode::NotFound
    );
    let (refused, why) = code(offline.answer(Request::Kill { id: "s.0".into() }).await);
    assert_eq!(refused, ErrorCode::Unavailable);
    assert!(why.contains("greenroom dev"), "{why}");
}

#[tokio::test]
async fn what_was_spent_is_read_from_a_store_that_nobody_has_open() {
    let folder = tempfile::tempdir().unwrap();
    let offline = Offline::open(&folder.path().join("s.sqlite"), TenantId::parse("dev").unwrap()).unwrap();
    let now = greenroom_kernel::Timestamp::from_millis(0);
    let by = vec![greenroom_kernel::SpendDimension::Model];
    let query = SpendQuery::of_days(None, None, by, 10, now).unwrap();
    let line = serde_json::to_string(&Request::Spend(query.clone())).unwrap();
    assert_eq!(
        line,
        r#"{"do":"spend","from":"1970-01-01","to":"1970-01-02","group_by":["model"],"limit":10}"#
    );
    let Answer::Ok(spent) = offline.answer(Request::Spend(query)).await else {
        panic!("refused");
    };
    assert_eq!(
        (&spent["groups"], &spent["total"]["tries"]),
        (&json!([]), &json!(0))
    );
}
