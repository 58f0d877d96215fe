//! Folds what steps on rooms add to the history into its rows. Pure: the writer loads the rows that some items touch, applies the
//! items in order, and saves what has changed. An item that is applied again changes nothing.

mod instance;
mod keys;
mod rows;
mod session;
#[cfg(test)]
mod tests;

pub use instance::totals;
pub use keys::Keys;
pub use rows::{Changed, Rows};
