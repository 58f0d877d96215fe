//! What figures come to.

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn ratio(what: &str, goal: f64, ratio: f64) {
    let verdict = if ratio <= goal { "met" } else { "missed" };
    println!("  {what}: {ratio:.2} (goal: at most {goal}, {verdict})");
}
