//! What somebody meant who wrote a word that isn't known.

/// The known word that was most likely meant.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // A long one is nobody's slip.
    if word.len() > 64 {
        return None;
    }
    let distance = |key: &&'k str| (edits(word.as_bytes(), key.as_bytes()), *key);
    let (edits, near) = known.iter().map(distance).min()?;
    (edits <= word.len().max(near.len()) / 2).then_some(near)
}

/// Bytes to insert, drop or exchange to make one word the other.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let exchanged = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = exchanged.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_unless_none_is_near() {
        let known = ["strategy", "exclude", "user"];
        assert_eq!(nearest("stratgey", &known), Some("strategy"));
        assert_eq!(nearest("use", &known), Some("user"));
        assert_eq!(nearest("q", &known), None);
        assert_eq!(nearest(&"strategy".repeat(9), &known), None);
        assert_eq!(edits(b"kitten", b"sitting"), 3);
    }
}
