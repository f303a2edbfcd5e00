//! Cutting a text where a reader would.

/// The best borders first: paragraphs, lines, sentences, words.
const BORDERS: [&[&str]; 4] = [
    &["\n\n", "\r\n\r\n"],
    &["\n"],
    &[". ", "! ", "? ", "。", "！", "？"],
    &[" ", "\t"],
];

/// The text in order in pieces of at most `bytes` (of 4, where that is less), none empty, none with space around it.
pub(crate) fn pieces(text: &str, bytes: usize) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cut(rest, bytes.max(4)));
        found.push(piece.trim_end());
        rest = behind.trim_start();
    }
    found
}

/// As much of a text's beginning as `bytes` hold.
pub(crate) fn clipped(text: &str, bytes: usize) -> &str {
    pieces(text, bytes).first().copied().unwrap_or_default()
}

/// Where the first piece ends: behind the best border that leaves it at least half as long as it may be.
fn cut(text: &str, bytes: usize) -> usize {
    if text.len() <= bytes {
        return text.len();
    }
    let window = &text[..text.floor_char_boundary(bytes)];
    let last = |borders: &[&str]| {
        let ends = borders
            .iter()
            .filter_map(|border| Some(window.rfind(border)? + border.len()));
        ends.max().filter(|end| *end >= bytes / 2)
    };
    BORDERS
        .iter()
        .find_map(|borders| last(borders))
        .unwrap_or(window.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_best_border_in_the_second_half_is_taken() {
        let text = "One. Two two.\n\nThree three three. Four";
        assert_eq!(pieces(text, 20), ["One. Two two.", "Three three three.", "Four"]);
        assert_eq!(pieces("aaaa bbbb. cccc dddd", 16), ["aaaa bbbb.", "cccc dddd"]);
        // A border too early makes a piece too small: the next best one counts.
        assert_eq!(pieces("a. bbbb cccc dddd", 14), ["a. bbbb cccc", "dddd"]);
        assert_eq!(pieces("一二。三四", 10), ["一二。", "三四"]);
        assert_eq!(pieces("  ", 10), Vec::<&str>::new());
    }

    #[test]
    fn a_text_without_borders_is_cut_between_characters() {
        assert_eq!(pieces("ΩΩΩ", 5), ["ΩΩ", "Ω"]);
        assert_eq!(pieces("🎭🎭", 0), ["🎭", "🎭"]);
    }

    #[test]
    fn a_megabyte_is_cut_at_once() {
        let text = "word ".repeat(200_000);
        let all = pieces(&text, 9_000);
        assert!(all.len() < 120 && all.iter().all(|piece| piece.len() <= 9_000));
    }

    proptest! {
        #[test]
        fn nothing_but_space_is_lost_and_no_piece_is_too_large(text in "[a-zΩ🎭. \n]{0,400}", bytes in 4_usize..80) {
            let all = pieces(&text, bytes);
            let dense = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(dense(&all.concat()), dense(&text));
            for piece in all {
                prop_assert!(!piece.is_empty() && piece.len() <= bytes && piece.trim() == piece);
            }
        }
    }
}
