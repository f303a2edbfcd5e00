//! Every error code has its page, and every page its code.

use greenroom_kernel::ErrorCode;

use super::blocks::{document, pages};

/// What each page answers, in this order.
const SECTIONS: [&str; 5] = [
    "Where it comes from",
    "Is it worth repeating?",
    "What a client does",
    "What an operator does",
    "As it appears",
];

#[test]
fn every_error_code_has_its_page_and_every_page_its_code() {
    let mut codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    codes.sort_unstable();
    let pages = pages();
    let found: Vec<&str> = pages
        .iter()
        .filter_map(|page| page.strip_prefix("errors/")?.strip_suffix(".md"))
        .collect();
    assert_eq!(found, codes);
    for code in codes {
        let page = document(&format!("docs/errors/{code}.md"));
        assert!(page.starts_with(&format!("# {code}\n\n")), "{code}: its title");
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{code}");
        assert!(page.contains(&format!("\"{code}\"")), "{code}: an example of it");
    }
}

#[test]
fn the_index_has_each_code_with_its_page_its_http_status_and_a_section() {
    let index = document("docs/errors.md");
    for code in ErrorCode::ALL {
        let row = format!("| [{code}](errors/{code}.md) | {} | ", code.http_status());
        assert!(index.contains(&row), "no row begins `{row}`");
        assert!(index.contains(&format!("\n## {code}\n")), "no section {code}");
    }
}
