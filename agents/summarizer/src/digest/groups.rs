//! Which summaries are summarized together.

use crate::pieces::clipped;

/// Summaries in order in groups that a model takes at once; at least two make a group, save a last one left over.
pub(super) fn groups(notes: &[String], budget: usize) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut size = 0;
    for note in notes {
        match groups.last_mut() {
            Some(group) if group.len() < 2 || size + note.len() <= budget => {
                size += note.len();
                group.push(note.clone());
            }
            _ => {
                size = note.len();
                groups.push(vec![note.clone()]);
            }
        }
    }
    groups
}

/// Halves each.
pub(super) fn shorten(notes: &mut [String]) {
    for note in notes {
        *note = clipped(note, note.len() / 2).to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_two_or_more_in_order_and_keep_to_the_budget_where_they_can() {
        let notes: Vec<String> = ["aaaa", "bbbb", "cc", "dd", "eeeeeeee"]
            .map(str::to_owned)
            .to_vec();
        let joined = |budget| -> Vec<String> {
            groups(&notes, budget)
                .iter()
                .map(|group| group.concat())
                .collect()
        };
        assert_eq!(joined(10), ["aaaabbbbcc", "ddeeeeeeee"]);
        assert_eq!(joined(1), ["aaaabbbb", "ccdd", "eeeeeeee"]);
        assert_eq!(joined(100).len(), 1);
        assert!(groups(&[], 10).is_empty());
    }
}
