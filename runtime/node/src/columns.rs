//! Lines in columns, as commands print them.

/// The first `labels` cells of each line to the left, figures to the right.
pub(crate) fn aligned(lines: &[Vec<String>], labels: usize) -> Vec<String> {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let cell = |(column, cell): (usize, &String)| {
        let width = width(column);
        match column < labels {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        }
    };
    let line = |line: &Vec<String>| line.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
    lines.iter().map(line).collect()
}
