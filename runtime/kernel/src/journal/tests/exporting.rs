//! A task's part of a journal, taken away.

use super::*;
use crate::{BadExport, TaskExport, TaskExporter, TaskId};

fn id(ordinal: u32) -> TaskId {
    TaskId {
        journal: key().journal,
        ordinal,
    }
}

fn exported(desk: &Desk, ordinal: u32) -> TaskExport {
    let mut exporter = TaskExporter::new(key().tenant, id(ordinal));
    for slot in &desk.slots {
        exporter.slot(slot);
    }
    exporter.finish()
}

fn said(export: &TaskExport) -> Vec<&str> {
    export
        .history
        .iter()
        .filter_map(|message| message.content.as_inline())
        .collect()
}

#[test]
fn an_export_holds_its_task_alone_and_what_was_said_before_it() {
    let mut desk = Desk::running(turn("a"));
    desk.end(0, 1, completed("yes"));
    desk.accept(turn("b"));
    desk.settle();
    desk.step(1, 1, "0", Effect::NonIdempotent);
    let open = exported(&desk, 1);
    assert_eq!(said(&open), ["a", "yes"]);
    desk.end(1, 1, completed("no"));
    desk.accept(turn("c"));
    desk.settle();
    let ended = exported(&desk, 1);
    assert_eq!(said(&ended), ["a", "yes"]);
    assert!(ended.entries.iter().all(|entry| entry.entry.task() == Some(1)));
    assert!(matches!(ended.entries.last().unwrap().entry, Entry::Ended { .. }));
    assert_eq!(ended.entries[..open.entries.len()], open.entries);
    let text = serde_json::to_string(&ended).unwrap();
    assert_eq!(TaskExport::parse(&text).unwrap(), ended);
    assert_eq!(ended.accepted().unwrap().0.key.as_str(), "b");
    assert!(matches!(exported(&desk, 7).accepted(), Err(BadExport::NoTask(task)) if task == id(7)));
}

#[test]
fn an_export_that_lacks_content_is_refused() {
    let desk = Desk::running(turn("a"));
    let mut export = exported(&desk, 0);
    for payload in export.payloads_mut() {
        *payload = Payload::Hollow;
    }
    let text = serde_json::to_string(&export).unwrap();
    let error = TaskExport::parse(&text).unwrap_err();
    assert!(matches!(error, BadExport::Hollow { .. }), "{error}");
}
