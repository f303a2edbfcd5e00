//! The checks that must have run. One that is missing was not passed.

use super::script::Client;

/// Of every client, for each target.
const EACH: [&str; 18] = [
    "says",
    "streams",
    "streams_by_helper",
    "stops_at_the_limit",
    "calls_a_tool",
    "streams_a_tool_call",
    "calls_two_tools",
    "streams_two_tool_calls",
    "fills_a_form",
    "streams_a_form",
    "shows_a_picture",
    "fails_with_400",
    "fails_with_401",
    "fails_with_429",
    "fails_with_500",
    "fails_with_503",
    "fails_when_cut",
    "hangs_up",
];

/// What a client checks of targets, (name, family) each, sorted.
pub(super) fn expected(client: Client, targets: &[(&str, &str)], through: bool) -> Vec<String> {
    let mut all = Vec::new();
    for (target, family) in targets {
        let mut each = EACH.to_vec();
        if client == Client::Chat {
            each.push("embeds");
        }
        if *family == client.name() {
            each.push("keeps_unknown_fields");
        }
        if through {
            each.extend(["fails_when_it_stops_midway", "takes_context"]);
        }
        if through && client == Client::Responses {
            each.push("fails_when_cut_by_helper");
        }
        all.extend(each.iter().map(|check| format!("{target}: {check}")));
    }
    all.extend(["fails_for_a_model_nobody_knows", "fails_with_413"].map(str::to_owned));
    if through && client != Client::Responses {
        all.push("lists_models".to_owned());
    }
    all.sort();
    all
}
