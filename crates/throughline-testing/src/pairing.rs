//! Which siblings belong together.

use crate::assignment::assign;

/// What it costs to pair each expected one with each actual one, or with none.
pub(crate) struct Costs {
    pub(crate) paired: Vec<Vec<i64>>,
    pub(crate) missing: Vec<i64>,
    pub(crate) unexpected: Vec<i64>,
}

/// Positions of an expected and an actual one that stand on one line.
pub(crate) type Choice = Vec<(Option<usize>, Option<usize>)>;

/// Every expected one in its order, then what is left.
pub(crate) fn in_any_order(costs: &Costs) -> Choice {
    let Costs { paired, missing, unexpected } = costs;
    let (rows, columns) = (missing.len(), unexpected.len());
    let size = rows.max(columns);
    let cost = |row: usize, column: usize| match (row < rows, column < columns) {
        (true, true) => paired[row][column],
        (true, false) => missing[row],
        (false, true) => unexpected[column],
        (false, false) => 0,
    };
    let costs: Vec<Vec<i64>> = (0..size).map(|row| (0..size).map(|column| cost(row, column)).collect()).collect();
    let assigned = assign(&costs);
    let mut choice: Choice =
        (0..rows).map(|row| (Some(row), Some(assigned[row]).filter(|column| *column < columns))).collect();
    let mut left: Vec<usize> = (rows..size).map(|row| assigned[row]).filter(|column| *column < columns).collect();
    left.sort_unstable();
    choice.extend(left.into_iter().map(|column| (None, Some(column))));
    choice
}

/// Both in their order: the alignment that costs least.
pub(crate) fn in_order(costs: &Costs) -> Choice {
    let Costs { paired, missing, unexpected } = costs;
    let (rows, columns) = (missing.len(), unexpected.len());
    // From the end: what the rest costs, and the first step to take.
    let mut best = vec![vec![(0_i64, (None, None)); columns + 1]; rows + 1];
    for row in (0..=rows).rev() {
        for column in (0..=columns).rev() {
            let mut steps = Vec::new();
            if row < rows && column < columns {
                steps.push((paired[row][column] + best[row + 1][column + 1].0, (Some(row), Some(column))));
            }
            if row < rows {
                steps.push((missing[row] + best[row + 1][column].0, (Some(row), None)));
            }
            if column < columns {
                steps.push((unexpected[column] + best[row][column + 1].0, (None, Some(column))));
            }
            if let Some(step) = steps.into_iter().min_by_key(|(cost, _)| *cost) {
                best[row][column] = step;
            }
        }
    }
    let (mut row, mut column, mut choice) = (0, 0, Vec::new());
    while row < rows || column < columns {
        let (_, step) = best[row][column];
        row += usize::from(step.0.is_some());
        column += usize::from(step.1.is_some());
        choice.push(step);
    }
    choice
}
