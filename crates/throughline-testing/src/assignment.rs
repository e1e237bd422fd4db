//! The cheapest way to pair two lists.

/// Pairs every row with a column so that the sum of the costs is the least: for each row its column. The matrix is
/// square.
///
/// The Hungarian method with potentials, O(n³); rows are added one by one.
pub(crate) fn assign(costs: &[Vec<i64>]) -> Vec<usize> {
    let n = costs.len();
    // Everything counts from one; zero is "none".
    let (mut row_potential, mut column_potential) = (vec![0; n + 1], vec![0; n + 1]);
    let mut row_of = vec![0; n + 1];
    for row in 1..=n {
        row_of[0] = row;
        let mut column = 0;
        let mut least = vec![i64::MAX; n + 1];
        let mut came_from = vec![0; n + 1];
        let mut seen = vec![false; n + 1];
        while row_of[column] != 0 {
            seen[column] = true;
            let current = row_of[column];
            let (mut step, mut next) = (i64::MAX, 0);
            for other in 1..=n {
                if seen[other] {
                    continue;
                }
                let cost = costs[current - 1][other - 1] - row_potential[current] - column_potential[other];
                if cost < least[other] {
                    least[other] = cost;
                    came_from[other] = column;
                }
                if least[other] < step {
                    step = least[other];
                    next = other;
                }
            }
            for other in 0..=n {
                if seen[other] {
                    row_potential[row_of[other]] += step;
                    column_potential[other] -= step;
                } else if other > 0 {
                    least[other] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[came_from[column]];
            column = came_from[column];
        }
    }
    let mut result = vec![0; n];
    for column in 1..=n {
        result[row_of[column] - 1] = column - 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_trying_all_permutations_finds() {
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 60) as i64
        };
        for n in 0..6 {
            for _ in 0..50 {
                let costs: Vec<Vec<i64>> = (0..n).map(|_| (0..n).map(|_| draw()).collect()).collect();
                let found = assign(&costs);
                let cost: i64 = found.iter().enumerate().map(|(row, column)| costs[row][*column]).sum();
                assert_eq!(cost, cheapest(&costs, 0, &mut vec![false; n]), "{costs:?} → {found:?}");
            }
        }
    }

    fn cheapest(costs: &[Vec<i64>], row: usize, taken: &mut Vec<bool>) -> i64 {
        if row == costs.len() {
            return 0;
        }
        let mut best = i64::MAX;
        for column in 0..costs.len() {
            if !taken[column] {
                taken[column] = true;
                best = best.min(costs[row][column] + cheapest(costs, row + 1, taken));
                taken[column] = false;
            }
        }
        best
    }
}
