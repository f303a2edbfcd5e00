//! Numbers behind statements: only those of sources that there are.

/// The text without citations (`[1]`, `[1, 2]`) of numbers that `is_source` doesn't know. Code between backticks is
/// left alone.
pub(crate) fn known_only(text: &str, is_source: impl Fn(usize) -> bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut code = false;
    while let Some(at) = rest.find(['[', '`']) {
        let (before, from) = rest.split_at(at);
        clean.push_str(before);
        if let Some(behind) = from.strip_prefix('`') {
            code = !code;
            clean.push('`');
            rest = behind;
            continue;
        }
        match numbers(from).filter(|_| !code) {
            Some((numbers, behind)) => {
                let known: Vec<String> = numbers
                    .into_iter()
                    .filter(|n| is_source(*n))
                    .map(|n| n.to_string())
                    .collect();
                if known.is_empty() {
                    // The space before it belonged to it.
                    clean.truncate(clean.trim_end_matches(' ').len());
                } else {
                    clean.push_str(&format!("[{}]", known.join(", ")));
                }
                rest = behind;
            }
            None => {
                clean.push('[');
                rest = &from[1..];
            }
        }
    }
    clean.push_str(rest);
    clean
}

/// The numbers of a citation that the text begins with, and what is behind it.
fn numbers(text: &str) -> Option<(Vec<usize>, &str)> {
    let (inside, behind) = text.strip_prefix('[')?.split_once(']')?;
    let numbers: Option<Vec<usize>> = inside.split([',', ';']).map(number).collect();
    Some((numbers?, behind))
}

/// A number in digits; one too large to be a source's is one all the same.
fn number(text: &str) -> Option<usize> {
    let digits = text.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(text: &str, expected: &str) {
        assert_eq!(known_only(text, |n| n == 1 || n == 3), expected);
    }

    #[test]
    fn citations_of_sources_stay_and_others_go() {
        becomes("Yes [1]. No [2]. Both [1, 2; 3].", "Yes [1]. No. Both [1, 3].");
        becomes("Side by side [1][2][3]", "Side by side [1][3]");
        becomes("[0][99999999999999999999999]", "");
        becomes("None.", "None.");
    }

    #[test]
    fn what_is_no_citation_is_left_alone() {
        for text in [
            "see [the docs](x)",
            "an [ open one",
            "[]",
            "[1a]",
            "`list[2]` and `a[7]`",
            "[-2]",
        ] {
            becomes(text, text);
        }
        becomes("`x[2]` says [2] so", "`x[2]` says so");
    }
}
