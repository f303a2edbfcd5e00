//! `docs/faults.md` holds the table of the wall, to the letter.

use std::path::Path;

use super::expect::Expect;
use super::faults::FAULTS;

const HEAD: &str = "| the model server… | streamed | in one piece | translated, streamed | translated, in one piece | nobody else to ask |\n|---|---|---|---|---|---|\n";

fn table() -> String {
    let row = |fault: &super::faults::Fault| {
        let outcomes = &fault.outcomes;
        let all = [
            outcomes.streamed,
            outcomes.whole,
            outcomes.crossed,
            outcomes.crossed_whole,
            outcomes.alone,
        ];
        let cells = all.map(Expect::words).join(" | ");
        format!("| {} | {cells} |\n", fault.does)
    };
    FAULTS.iter().map(row).collect()
}

#[test]
fn the_page_of_faults_says_what_the_wall_shows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = format!("{HEAD}{}", table());
    assert!(
        page.contains(&table),
        "docs/faults.md doesn't hold this table:\n{table}"
    );
}
