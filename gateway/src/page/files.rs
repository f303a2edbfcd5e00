//! What the page is made of, compiled in: a binary serves the page that it was built with, and nothing else.

/// A file of `gateway/page`, by its name there.
pub(super) struct Source {
    pub(super) name: &'static str,
    pub(super) bytes: &'static [u8],
}

macro_rules! file {
    ($name:literal) => {
        Source {
            name: $name,
            bytes: include_bytes!(concat!("../../page/", $name)),
        }
    };
}

/// The document, with `VERSION` where the version goes.
pub(super) const INDEX: &str = include_str!("../../page/index.html");

/// The page to try queries on, and the one with GraphiQL, likewise.
pub(super) const QUERY: &str = include_str!("../../page/query/query.html");
pub(super) const GRAPHIQL: &str = include_str!("../../page/query/graphiql.html");

/// Everything that the documents load.
pub(super) const FILES: [Source; 48] = [
    file!("app.js"),
    file!("backstage/agents.js"),
    file!("backstage/events.js"),
    file!("backstage/health.js"),
    file!("backstage/name.js"),
    file!("backstage/providers.js"),
    file!("backstage/tree.js"),
    file!("chat/composer.js"),
    file!("chat/conversation.js"),
    file!("chat/outbox.js"),
    file!("chat/room.js"),
    file!("chat/scroller.js"),
    file!("chat/turn.js"),
    file!("chat/welcome.js"),
    file!("dom.js"),
    file!("format.js"),
    file!("icons.js"),
    file!("inline.js"),
    file!("mark.svg"),
    file!("markdown.js"),
    file!("net/ask.js"),
    file!("net/documents.js"),
    file!("net/insist.js"),
    file!("net/renewing.js"),
    file!("net/socket.js"),
    file!("query/graphiql.css"),
    file!("query/graphiql.js"),
    file!("query/query.css"),
    file!("query/query.js"),
    file!("router.js"),
    file!("sessions/list.js"),
    file!("shell/connection.js"),
    file!("shell/dialog.js"),
    file!("shell/drawer.js"),
    file!("shell/notice.js"),
    file!("signal.js"),
    file!("style/backstage.css"),
    file!("style/base.css"),
    file!("style/chat.css"),
    file!("style/prose.css"),
    file!("style/shell.css"),
    file!("style/work.css"),
    file!("work/decision.js"),
    file!("work/steps.js"),
    file!("work/task.js"),
    file!("work/tasks.js"),
    file!("work/timeline.js"),
    file!("work/waiting.js"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn names(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let mut there = BTreeSet::new();
        names(&root, &root, &mut there);
        let documents = ["index.html", "query/query.html", "query/graphiql.html"];
        let served = FILES.iter().map(|file| file.name).chain(documents);
        assert_eq!(there, served.map(str::to_owned).collect());
    }
}
