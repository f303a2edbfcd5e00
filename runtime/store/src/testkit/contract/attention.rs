//! Cases about journals that need somebody.

use greenroom_kernel::{TaskRow, TaskStatus};

use super::{Subject, stored};
use crate::testkit::fixture::{Pen, at, key_of, task};

pub async fn journals_that_need_an_owner_or_are_due_are_found_in_key_order(store: &Subject) {
    let due = |ms: i64, row: TaskRow| TaskRow {
        status: TaskStatus::Waiting,
        due: Some(at(ms)),
        ..row
    };
    let standing = |status, row: TaskRow| TaskRow { status, ..row };
    let mut pens = Vec::new();
    for (of, journal, rows) in [
        // Inserted against key order.
        ("bolt", "a", &[(TaskStatus::Running, None)][..]),
        ("acme", "f", &[(TaskStatus::OutcomeUnknown, None)]),
        ("acme", "e", &[(TaskStatus::Waiting, None)]),
        ("acme", "d", &[(TaskStatus::Completed, None)]),
        ("acme", "c", &[(TaskStatus::Waiting, Some(51))]),
        ("acme", "b", &[(TaskStatus::Waiting, Some(50))]),
        (
            "acme",
            "a",
            &[
                (TaskStatus::Completed, None),
                (TaskStatus::Accepted, None),
                (TaskStatus::Accepted, None),
                (TaskStatus::Waiting, Some(10)),
            ],
        ),
    ] {
        let mut pen = Pen::new(key_of(of, journal));
        let rows: Vec<_> = (0..)
            .zip(rows)
            .map(|(ordinal, (status, at))| {
                let row = standing(*status, task(&pen.key, ordinal, 1));
                at.map_or(row.clone(), |ms| due(ms, row))
            })
            .collect();
        stored(store, pen.tasks(rows)).await;
        pens.push(pen);
    }
    let names = |keys: &[greenroom_kernel::JournalKey]| -> Vec<String> {
        keys.iter()
            .map(|k| format!("{}/{}", k.tenant, k.journal))
            .collect()
    };
    let all = store.open_journals(at(50), None, 100).await.unwrap();
    assert_eq!(names(&all), ["acme/a", "acme/b", "bolt/a"]);
    let later = store.open_journals(at(51), None, 100).await.unwrap();
    assert_eq!(names(&later), ["acme/a", "acme/b", "acme/c", "bolt/a"]);

    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let keys = store.open_journals(at(51), after.as_ref(), 1).await.unwrap();
        let Some(last) = keys.last() else { break };
        after = Some(last.clone());
        seen.extend(names(&keys));
    }
    assert_eq!(seen, names(&later));

    // What ends needs nobody any more.
    let pen = pens.last_mut().unwrap();
    let of = pen.key.clone();
    let ended = (1..4).map(|ordinal| standing(TaskStatus::Cancelled, task(&of, ordinal, 1)));
    let append = pen.tasks(ended);
    stored(store, append).await;
    let left = store.open_journals(at(50), None, 100).await.unwrap();
    assert_eq!(names(&left), ["acme/b", "bolt/a"]);
}
