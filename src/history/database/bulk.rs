//! Statements for many rows at once. They come in few lengths, so that the database prepares each of them once.

use std::fmt::Write;

/// Rows in one statement. With 18 columns each they have hundreds of values, and SQLite finds the place of each by going through
/// those before it.
const MAX_ROWS: usize = 32;
/// Values in one statement.
const MAX_VALUES: usize = 128;

/// Cuts into powers of two, the largest first.
pub(super) fn rows<T>(mut all: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = MAX_ROWS.min(1 << all.len().checked_ilog2()?);
        let (chunk, rest) = all.split_at(length);
        all = rest;
        Some(chunk)
    })
}

/// Cuts into powers of two, as few as possible: the last one is filled with repetitions.
pub(super) fn values<T: Clone>(all: &[T]) -> impl Iterator<Item = Vec<T>> {
    all.chunks(MAX_VALUES).map(|chunk| {
        let mut chunk = chunk.to_vec();
        let last = chunk.last().expect("a chunk has values").clone();
        chunk.resize(chunk.len().next_power_of_two(), last);
        chunk
    })
}

/// `($1,$2),($3,$4)` for two rows of two columns.
pub(super) fn places(rows: usize, columns: usize) -> String {
    let mut places = String::with_capacity(rows * (columns * 6 + 3));
    for row in 0..rows {
        places.push_str(if row == 0 { "(" } else { ",(" });
        for column in 1..=columns {
            let comma = if column == 1 { "" } else { "," };
            let _ = write!(places, "{comma}${}", row * columns + column);
        }
        places.push(')');
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_in_few_lengths() {
        let all: Vec<_> = (0..140).collect();
        let lengths: Vec<_> = rows(&all).map(<[_]>::len).collect();
        assert_eq!(lengths, [32, 32, 32, 32, 8, 4]);
        assert_eq!(rows(&all).flatten().copied().collect::<Vec<_>>(), all);
        assert_eq!(rows::<u8>(&[]).count(), 0);
        let filled: Vec<_> = values(&all[..131]).collect();
        assert_eq!(filled.len(), 2);
        assert_eq!(filled[1], [128, 129, 130, 130]);
    }

    #[test]
    fn places_count_on_from_row_to_row() {
        assert_eq!(places(2, 3), "($1,$2,$3),($4,$5,$6)");
        assert_eq!(places(1, 1), "($1)");
    }
}
