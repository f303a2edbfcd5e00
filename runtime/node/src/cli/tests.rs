use super::*;
use clap::CommandFactory;

fn parsed(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("greenroom").chain(line.split_whitespace()))
}

#[test]
fn the_command_line_makes_sense_to_clap() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_teaches_with_an_example() {
    for command in Cli::command().get_subcommands() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            help.contains(&format!("greenroom {}", command.get_name())),
            "{}",
            command.get_name()
        );
    }
}

#[test]
fn agents_may_be_named_again_and_again() {
    let Command::Dev(dev) = parsed("dev --agent http://h:1 --agent http://h:2 --listen 127.0.0.1:0")
        .unwrap()
        .command
    else {
        panic!("another command");
    };
    assert_eq!(dev.agents, ["http://h:1", "http://h:2"]);
    assert_eq!(dev.listen.as_deref(), Some("127.0.0.1:0"));
    assert!(!dev.insecure);
}

#[test]
fn misuse_exits_with_2() {
    for line in [
        "",
        "sing",
        "dev --nope",
        "tasks settle s.0 1",
        "tasks settle s.0 1 --done --not-done",
        "tasks list --limit 0",
        "spend --by weather",
        "spend --limit 0",
        "agents --since 1h",
        "agents a --since 1w",
        "agents a --since h",
        "agents a/b",
        "tasks export",
        "agent",
        "supervisor --insecure",
        "new",
        "new agent",
    ] {
        assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn how_far_back_is_a_number_of_a_unit() {
    let since = |line: &str| match parsed(line).unwrap().command {
        Command::Agents(args) => args.since.as_secs(),
        _ => panic!("another command"),
    };
    assert_eq!(since("agents"), 3_600);
    for (said, seconds) in [("90s", 90), ("2m", 120), ("3h", 10_800), ("7d", 604_800)] {
        assert_eq!(since(&format!("agents helper --since {said}")), seconds);
    }
}

#[test]
fn a_step_is_settled_with_or_without_a_result() {
    let settled = |line: &str| match parsed(line).unwrap().command {
        Command::Tasks(TasksArgs {
            command: TasksCommand::Settle {
                done, not_done, step, ..
            },
            ..
        }) => (step, done, not_done),
        _ => panic!("another command"),
    };
    assert_eq!(
        settled("tasks settle s.0 3 --done"),
        (3, Some("null".to_owned()), false)
    );
    assert_eq!(
        settled("tasks settle s.0 3 --done {\"a\":1}"),
        (3, Some("{\"a\":1}".to_owned()), false)
    );
    assert_eq!(settled("tasks settle s.0 3 --not-done"), (3, None, true));
}
